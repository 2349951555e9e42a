/** Linearizability of each key from values and times alone: no revision is believed. */
import type { RegisterOperation } from '../../support/linearizable.ts';
import { isLinearizable } from '../../support/linearizable.ts';
import type { Change, Entry, History, Operation } from '../history.ts';
import { OBJECTS } from '../traffic/objects.ts';
import { REGISTERS } from '../traffic/registers.ts';
import { shown, Violation } from './violation.ts';

/** Returns the number of operations that were placed. */
export function checkSingleKeys(history: History): number {
  const values = new ValuesByRevision(history);
  const byKey = new Map<string, RegisterOperation[]>();
  for (const operation of history.operations) {
    const { request } = operation;
    if (request.kind === 'revoke') continue;
    const key = request.kind === 'range' ? request.key : request.change.key;
    // Keys of leases change without anybody asking.
    if (!key.startsWith(REGISTERS) && !key.startsWith(OBJECTS)) continue;
    const asRegister = registerOperation(operation, values);
    if (asRegister !== undefined) byKey.set(key, [...(byKey.get(key) ?? []), asRegister]);
  }
  let count = 0;
  for (const [key, operations] of byKey) {
    count += operations.length;
    if (!isLinearizable(operations)) throw new Violation('linearizability', `${key}: ${shown(operations)}`);
  }
  return count;
}

function registerOperation(operation: Operation, values: ValuesByRevision): RegisterOperation | undefined {
  const { request, answer, callMs, refused } = operation;
  if (refused || request.kind === 'revoke') return undefined;
  const returnMs = answer === undefined ? Infinity : operation.returnMs;
  if (request.kind === 'range') {
    const isOfNow = request.serializable !== true && request.revision === undefined;
    const isRead = answer !== undefined && isOfNow && request.end === undefined;
    return isRead ? { kind: 'read', callMs, returnMs, value: answer.entries?.[0]?.value } : undefined;
  }
  const written = valueOf(request.change);
  if (request.kind === 'change') return { kind: 'write', callMs, returnMs, value: written };
  const from = request.guard.equals === 0 ? undefined : values.get(request.guard.key, request.guard.equals);
  const done = answer?.succeeded;
  const found = done === false ? { found: { value: answer?.entries?.[0]?.value } } : {};
  return { kind: 'swap', callMs, returnMs, from, to: written, done, ...found };
}

function valueOf(change: Change): string | undefined {
  return change.kind === 'put' ? change.value : undefined;
}

/** Clients guard by revision what is in truth a value: which one, they have been told. */
class ValuesByRevision {
  readonly #values = new Map<string, string>();

  constructor(history: History) {
    for (const { request, answer } of history.operations) {
      for (const entry of answer?.entries ?? []) this.#add(entry);
      if (answer === undefined || request.kind === 'range' || request.kind === 'revoke') continue;
      const isDone = request.kind === 'change' || answer.succeeded === true;
      const { change } = request;
      if (isDone && change.kind === 'put') this.#add({ key: change.key, value: change.value, mod: answer.revision });
    }
  }

  get(key: string, mod: number): string {
    const value = this.#values.get(`${key} ${mod}`);
    if (value === undefined) throw new Error(`a client guards ${key} by revision ${mod}, which it cannot know`);
    return value;
  }

  #add({ key, value, mod }: Pick<Entry, 'key' | 'value' | 'mod'>): void {
    this.#values.set(`${key} ${mod}`, value);
  }
}
