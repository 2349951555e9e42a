import type { Findings } from './findings.ts';

/** One change of one object, as its writer or a watch knows it. */
export interface Change {
  readonly revision: number;
  readonly key: string;
  readonly type: 'PUT' | 'DELETE';
  /** Of a put. */
  readonly value: string;
  /** mod_revision before; 0 for a creation. */
  readonly prevRevision: number;
}

interface Entry extends Change {
  /** Numbers of the caches that were told. */
  readonly seenBy: Set<number>;
  readonly notedMs: number;
}

interface Follower {
  /** Changes up to here are not its business: it started with a list at this revision. */
  since: number;
  /** It has everything up to here, it says. */
  position: number;
}

/** Longer than any request waits for its answer. */
const KEEP_MS = 40_000;

/**
 * All changes of one resource type, put together from the answers to writers and from all watches: none may contradict
 * another, and whoever has got as far as a revision must have been told of every change up to it. Bounded: what all followers
 * have and what is older than any answer can be is forgotten.
 */
export class Ledger {
  readonly #findings: Findings;
  readonly #name: string;
  readonly #entries = new Map<number, Map<string, Entry>>();
  readonly #followers = new Map<number, Follower>();
  #checked = 0;
  #acknowledgedMax = 0;

  constructor(name: string, findings: Findings) {
    this.#name = name;
    this.#findings = findings;
  }

  /** Changes that were delivered to a watch and held against what is known. */
  get checked(): number {
    return this.#checked;
  }

  /** The highest revision of an acknowledged write. */
  get acknowledgedMax(): number {
    return this.#acknowledgedMax;
  }

  /** A follower starts, or starts again, from a list at `revision`. */
  starts(follower: number, revision: number): void {
    this.#followers.set(follower, { since: revision, position: revision });
  }

  /** A writer was told that its write succeeded. */
  acknowledged(change: Change, nowMs: number): void {
    this.#acknowledgedMax = Math.max(this.#acknowledgedMax, change.revision);
    const entry = this.#note(change, nowMs, 'its writer was told');
    for (const [number, { since, position }] of this.#followers) {
      if (change.revision <= since || change.revision > position) continue;
      this.#expectSeen(entry, number, position);
    }
  }

  /** A watch was told. */
  delivered(follower: number, change: Change, nowMs: number): void {
    this.#checked++;
    const entry = this.#note(change, nowMs, `watch ${follower} was told`);
    const isNew = !entry.seenBy.has(follower);
    this.#findings.hold(isNew, 'each event once', () => `${this.#name}, watch ${follower}: ${shown(change)} again`);
    entry.seenBy.add(follower);
  }

  /** A follower has everything up to `revision`, by an event or a progress notice. */
  reached(number: number, revision: number): void {
    const follower = this.#followers.get(number);
    if (follower === undefined) throw new Error(`follower ${number} has not started`);
    for (let at = follower.position + 1; at <= revision; at++) {
      for (const entry of this.#entries.get(at)?.values() ?? []) this.#expectSeen(entry, number, revision);
    }
    follower.position = Math.max(follower.position, revision);
  }

  forgetOld(nowMs: number): void {
    const all = Math.min(...[...this.#followers.values()].map(({ position }) => position));
    for (const [revision, entries] of this.#entries) {
      const isOld = [...entries.values()].every(({ notedMs }) => nowMs - notedMs > KEEP_MS);
      if (isOld && revision <= all) this.#entries.delete(revision);
    }
  }

  #note(change: Change, nowMs: number, who: string): Entry {
    let entries = this.#entries.get(change.revision);
    if (entries === undefined) {
      entries = new Map();
      this.#entries.set(change.revision, entries);
    }
    const known = entries.get(change.key);
    if (known !== undefined) {
      const same =
        known.type === change.type && known.value === change.value && known.prevRevision === change.prevRevision;
      this.#findings.hold(same, 'all are told the same', () => {
        return `${this.#name}: ${who} ${shown(change)}, before it was ${shown(known)}`;
      });
      return known;
    }
    const entry: Entry = { ...change, seenBy: new Set(), notedMs: nowMs };
    entries.set(change.key, entry);
    return entry;
  }

  #expectSeen(entry: Entry, follower: number, revision: number): void {
    this.#findings.hold(entry.seenBy.has(follower), 'a watch has no gap', () => {
      return `${this.#name}, watch ${follower} is at ${revision} and was never told ${shown(entry)}`;
    });
  }
}

function shown({ revision, key, type, value, prevRevision }: Change): string {
  return `${type} ${key}@${revision} after ${prevRevision} (${value.slice(0, 40)})`;
}
