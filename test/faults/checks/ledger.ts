/** The store's own history, from its first revision on, as a member told it in the end; what it was at any revision. */
import type { Entry, WatchedEvent } from '../history.ts';
import { hold, shown } from './violation.ts';

export class Ledger {
  readonly events: readonly WatchedEvent[];
  readonly #byKey = new Map<string, WatchedEvent[]>();
  readonly #byRevision = new Map<number, WatchedEvent[]>();
  readonly #keys: string[];

  /** All events of the store up to `revision`. */
  constructor(events: readonly WatchedEvent[], revision: number) {
    this.events = events;
    let last = 1;
    for (const event of events) {
      const { mod } = event.entry;
      hold(mod === last || mod === last + 1, 'history without gaps', () => `revision ${mod} follows ${last}`);
      this.#expectVersions(event);
      last = mod;
      append(this.#byKey, event.entry.key, event);
      append(this.#byRevision, mod, event);
    }
    hold(last === revision, 'history without gaps', () => `it ends at ${last}, the store is at ${revision}`);
    this.#keys = [...this.#byKey.keys()].toSorted();
  }

  get revision(): number {
    return this.events.at(-1)?.entry.mod ?? 1;
  }

  at(revision: number): readonly WatchedEvent[] {
    return this.#byRevision.get(revision) ?? [];
  }

  /** The key as it was at a revision. */
  get(key: string, revision: number): Entry | undefined {
    const event = this.#byKey.get(key)?.findLast(({ entry }) => entry.mod <= revision);
    return event?.type === 'PUT' ? event.entry : undefined;
  }

  range(key: string, end: string | undefined, revision: number): Entry[] {
    const keys = end === undefined ? [key] : this.#keys.filter((other) => other >= key && other < end);
    return keys.map((each) => this.get(each, revision)).filter((entry) => entry !== undefined);
  }

  /** Events of keys from `key` to before `end`, from a revision on. */
  changes(key: string, end: string, fromRevision: number): WatchedEvent[] {
    return this.events.filter(({ entry }) => entry.mod >= fromRevision && entry.key >= key && entry.key < end);
  }

  #expectVersions({ type, entry, prev }: WatchedEvent): void {
    const before = this.#byKey.get(entry.key)?.at(-1);
    const old = before?.type === 'PUT' ? before.entry : undefined;
    hold(shown(prev) === shown(old), 'prev_kv', () => `${shown(entry)} came after ${shown(old)}, not ${shown(prev)}`);
    if (type === 'DELETE') {
      hold(old !== undefined, 'history', () => `the deletion of ${entry.key}@${entry.mod}, which was not there`);
      return;
    }
    const version = (old?.version ?? 0) + 1;
    const create = old?.create ?? entry.mod;
    const isRight = entry.version === version && entry.create === create;
    hold(isRight, 'versions', () => `${shown(entry)} should have version ${version} and create revision ${create}`);
  }
}

function append<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
