/** Every revision of the store is somebody's doing, and everything acknowledged is in it, once. */
import { LEASED } from '../traffic/leases.ts';
import { LOCKS } from '../traffic/locks.ts';
import type { Change, History, Operation, WatchedEvent } from '../history.ts';
import type { Ledger } from './ledger.ts';
import { hold, shown, Violation } from './violation.ts';

/** Puts that the server makes for a client: waiting for a lock is a key. */
const BY_SERVER = `${LOCKS}service/`;

/** Returns the revision at which each operation came about, as far as that is known: acknowledged or found in the history. */
export function checkWrites(history: History, ledger: Ledger): Map<Operation, number> {
  const effects = new Map<Operation, number>();
  const candidates = new Candidates(history);
  for (const operation of history.operations) {
    if (operation.answer !== undefined) expectAcknowledged(operation, ledger, effects);
  }
  const byRevision = new Map([...effects].map(([operation, revision]) => [revision, operation]));
  hold(byRevision.size === effects.size, 'a revision of one write', () => sharedRevision(effects));
  for (const event of ledger.events) {
    if (byRevision.has(event.entry.mod)) continue;
    const cause = candidates.explain(event);
    if (cause !== undefined) effects.set(cause, event.entry.mod);
  }
  return effects;
}

/** The change that an answered operation has made; undefined if none. */
function effectOf({ request, answer }: Operation): Change | undefined {
  if (answer === undefined) return undefined;
  if (request.kind === 'change') {
    return request.change.kind === 'delete' && answer.deleted === 0 ? undefined : request.change;
  }
  return request.kind === 'guarded' && answer.succeeded === true ? request.change : undefined;
}

function expectAcknowledged(operation: Operation, ledger: Ledger, effects: Map<Operation, number>): void {
  const change = effectOf(operation);
  const revision = operation.answer?.revision ?? 0;
  if (change === undefined) return;
  // A guarded deletion of what is not there succeeds and changes nothing; clients make none.
  const events = ledger.at(revision);
  const isThere = events.length === 1 && events.every((event) => isEffect(event, change));
  hold(isThere, 'acknowledged and lost', () => `${shown(operation)}, but revision ${revision} is ${shown(events)}`);
  effects.set(operation, revision);
}

function isEffect({ type, entry }: WatchedEvent, change: Change): boolean {
  if (entry.key !== change.key) return false;
  if (change.kind === 'delete') return type === 'DELETE';
  return type === 'PUT' && entry.value === change.value && entry.lease === (change.lease ?? 0n);
}

function sharedRevision(effects: Map<Operation, number>): string {
  const seen = new Map<number, Operation>();
  for (const [operation, revision] of effects) {
    const other = seen.get(revision);
    if (other !== undefined) return `${shown(operation)} and ${shown(other)}`;
    seen.set(revision, operation);
  }
  return '';
}

/** Operations of which nobody knows what became of them: each may have happened once. */
class Candidates {
  readonly #puts = new Map<string, Operation>();
  readonly #deletions = new Map<string, Operation[]>();

  constructor(history: History) {
    for (const operation of history.operations) {
      const { request } = operation;
      if (operation.answer !== undefined || operation.refused) continue;
      if (request.kind !== 'change' && request.kind !== 'guarded') continue;
      const { change } = request;
      if (change.kind === 'put') this.#puts.set(change.value, operation);
      else this.#deletions.set(change.key, [...(this.#deletions.get(change.key) ?? []), operation]);
    }
  }

  /** The operation that did it; undefined: the server did it, and may. */
  explain(event: WatchedEvent): Operation | undefined {
    return event.type === 'PUT' ? this.#explainPut(event) : this.#explainDeletion(event);
  }

  #explainPut(event: WatchedEvent): Operation | undefined {
    const { entry } = event;
    if (entry.key.startsWith(BY_SERVER) && entry.value === '') return undefined;
    const operation = this.#puts.get(entry.value);
    const { request } = operation ?? {};
    const isIt = request?.kind === 'change' || request?.kind === 'guarded' ? isEffect(event, request.change) : false;
    hold(operation !== undefined && isIt, 'nobody wrote it, or it was written twice', () => shown(event));
    this.#puts.delete(entry.value);
    return operation;
  }

  #explainDeletion(event: WatchedEvent): Operation | undefined {
    const { key } = event.entry;
    // Leases that end are judged apart. Waiting for a lock in vain ends with a deletion.
    if (key.startsWith(LEASED) || key.startsWith(LOCKS)) return undefined;
    const operations = this.#deletions.get(key) ?? [];
    const possible = operations.find(({ request }) => {
      return request.kind !== 'guarded' || request.guard.equals === event.prev?.mod;
    });
    if (possible === undefined) throw new Violation('nobody deleted it, or it was deleted twice', shown(event));
    operations.splice(operations.indexOf(possible), 1);
    return possible;
  }
}
