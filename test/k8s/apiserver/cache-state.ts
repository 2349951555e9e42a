import type { Event, KeyValue, WatchResponse } from '../../support/api-messages.ts';
import { text } from '../../support/values.ts';
import { isProgressNotify } from '../../conformance/k8s/kube-store.ts';
import type { Findings } from './findings.ts';
import type { Ledger } from './ledger.ts';

/** An object as the store has it, with its revisions as numbers. */
export interface Stored {
  readonly key: string;
  readonly value: string;
  readonly created: number;
  readonly modified: number;
  readonly version: number;
  readonly lease: bigint;
}

export function storedOf(kv: KeyValue): Stored {
  return {
    key: text(kv.key),
    value: text(kv.value),
    created: Number(kv.create_revision),
    modified: Number(kv.mod_revision),
    version: Number(kv.version),
    lease: kv.lease,
  };
}

export interface Applied {
  readonly events: readonly { readonly type: 'PUT' | 'DELETE'; readonly now: Stored; readonly before?: Stored }[];
}

/**
 * The watch cache of one resource type: a list, and every event since. Each response is held to all that Kubernetes relies
 * on before it changes the state.
 */
export class CacheState {
  readonly #name: string;
  readonly #number: number;
  readonly #ledger: Ledger;
  readonly #findings: Findings;
  #objects = new Map<string, Stored>();
  /** The state is complete up to here. */
  #revision = 0;

  constructor(name: string, number: number, ledger: Ledger, findings: Findings) {
    this.#name = name;
    this.#number = number;
    this.#ledger = ledger;
    this.#findings = findings;
  }

  get revision(): number {
    return this.#revision;
  }

  get objects(): ReadonlyMap<string, Stored> {
    return this.#objects;
  }

  /** Starts from a list at `revision`. */
  reset(objects: readonly Stored[], revision: number): void {
    this.#objects = new Map(objects.map((object) => [object.key, object]));
    this.#revision = revision;
    this.#ledger.starts(this.#number, revision);
  }

  apply(response: WatchResponse, nowMs: number): Applied {
    if (isProgressNotify(response)) {
      this.#progress(response);
      return { events: [] };
    }
    this.#expectOrder(response.events);
    const events = response.events.map((event) => this.#event(event, nowMs));
    // Nothing of a revision may come after the response that began it: all of it counts as known.
    const last = events.at(-1)?.now.modified;
    if (last !== undefined) {
      this.#hold(Number(response.header.revision) >= last, 'the header is not before the events', () => {
        return `header ${response.header.revision}, event ${last}`;
      });
      this.#revision = Math.max(this.#revision, last);
      this.#ledger.reached(this.#number, this.#revision);
    }
    return { events };
  }

  #expectOrder(events: readonly Event[]): void {
    for (const [i, { kv }] of events.entries()) {
      const before = events[i - 1]?.kv.mod_revision ?? 0n;
      this.#hold(kv.mod_revision >= before, 'in order', () => `${kv.mod_revision} after ${before}`);
    }
  }

  /** A notice may tell an older revision than events already did, when it was asked for earlier: never a lie, only late. */
  #progress(response: WatchResponse): void {
    const revision = Number(response.header.revision);
    this.#revision = Math.max(this.#revision, revision);
    this.#ledger.reached(this.#number, this.#revision);
  }

  #event(event: Event, nowMs: number): Applied['events'][number] {
    const now = storedOf(event.kv);
    const { key, modified } = now;
    const known = this.#objects.get(key);
    this.#hold(modified > this.#revision, 'in order, whole revisions, none after a notice of its revision', () => {
      return `${event.type} ${key}@${modified} when all up to ${this.#revision} was there`;
    });
    const before = event.prev_kv && storedOf(event.prev_kv);
    this.#hold(isSame(before, known), 'prev_kv is what was there', () => {
      return `${event.type} ${key}@${modified}: prev_kv ${shown(before)}, the cache had ${shown(known)}`;
    });
    if (event.type === 'PUT') this.#put(now, known);
    else this.#delete(now, known);
    const value = event.type === 'PUT' ? now.value : '';
    const change = { revision: modified, key, type: event.type, value, prevRevision: known?.modified ?? 0 };
    this.#ledger.delivered(this.#number, change, nowMs);
    return { type: event.type, now, ...(known && { before: known }) };
  }

  #put(now: Stored, known: Stored | undefined): void {
    const created = known?.created ?? now.modified;
    const version = (known?.version ?? 0) + 1;
    this.#hold(now.created === created && now.version === version, 'create and modify are told apart', () => {
      return `${shown(now)} after ${shown(known)}`;
    });
    this.#objects.set(now.key, now);
  }

  #delete(now: Stored, known: Stored | undefined): void {
    this.#hold(known !== undefined, 'only what is there is deleted', () => `${now.key}@${now.modified}`);
    const isBare = now.created === 0 && now.version === 0 && now.value === '' && now.lease === 0n;
    this.#hold(isBare, 'a deletion tells the key and its revision only', () => shown(now));
    this.#objects.delete(now.key);
  }

  #hold(condition: boolean, rule: string, detail: () => string): void {
    this.#findings.hold(condition, rule, () => `${this.#name}, watch ${this.#number}: ${detail()}`);
  }
}

export function isSame(a: Stored | undefined, b: Stored | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.key === b.key &&
    a.value === b.value &&
    a.created === b.created &&
    a.modified === b.modified &&
    a.version === b.version &&
    a.lease === b.lease
  );
}

export function shown(object: Stored | undefined): string {
  if (object === undefined) return 'nothing';
  const { key, value, created, modified, version, lease } = object;
  return `${key}@${modified} (created ${created}, version ${version}, lease ${lease.toString(16)}, ${value.slice(0, 40)})`;
}
