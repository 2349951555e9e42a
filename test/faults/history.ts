/** What clients asked, what they were told, and when: the only thing that the checks look at, beside the store's own history. */
import type { KeyValue } from '../support/api-messages.ts';
import { text } from '../support/values.ts';

/** A key with its value, as text. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
  readonly lease: bigint;
}

export function entryOf(kv: KeyValue): Entry {
  return {
    key: text(kv.key),
    value: text(kv.value),
    create: Number(kv.create_revision),
    mod: Number(kv.mod_revision),
    version: Number(kv.version),
    lease: kv.lease,
  };
}

/** All values that are put are different from each other. */
export type Change =
  | { readonly kind: 'put'; readonly key: string; readonly value: string; readonly lease?: bigint }
  | { readonly kind: 'delete'; readonly key: string };

/** The condition of a transaction: 0 for a key that is not there. */
export interface Guard {
  readonly key: string;
  readonly target: 'mod' | 'create';
  readonly equals: number;
}

export interface RangeQuestion {
  readonly key: string;
  /** Up to this key; undefined: that key only. */
  readonly end?: string;
  readonly limit?: number;
  readonly revision?: number;
  readonly serializable?: boolean;
}

export type Request =
  | { readonly kind: 'change'; readonly change: Change }
  /** The change if the guard holds; else the key of the change is read. */
  | { readonly kind: 'guarded'; readonly guard: Guard; readonly change: Change }
  | ({ readonly kind: 'range' } & RangeQuestion)
  /** May delete any key that hangs on the lease. */
  | { readonly kind: 'revoke'; readonly lease: bigint };

export interface Answer {
  /** Of the header. */
  readonly revision: number;
  /** Of a guarded change. */
  readonly succeeded?: boolean;
  /** Of a deletion. */
  readonly deleted?: number;
  /** Of a range, and of a guarded change that did not succeed. */
  readonly entries?: readonly Entry[];
  readonly count?: number;
  readonly more?: boolean;
}

/** Times are those of this process's monotonic clock. */
export interface Operation {
  readonly client: string;
  readonly member: string;
  readonly request: Request;
  readonly callMs: number;
  /** Infinity while there is no answer. */
  returnMs: number;
  answer: Answer | undefined;
  /** It was refused for certain: nothing has come of it. */
  refused: boolean;
  error: string | undefined;
}

/** Somebody asked for everything before a revision to be forgotten. */
export interface Compaction {
  readonly revision: number;
  readonly callMs: number;
  /** Infinity while there is no answer: nobody knows whether it happened. */
  returnMs: number;
}

/** A lease as the one who holds it sees it. */
export interface LeaseRecord {
  readonly id: bigint;
  readonly ttlMs: number;
  readonly keys: Set<string>;
  /** When the grant, or the last renewal that was answered, was asked for: it lives for its TTL from then on at least. */
  protectedFromMs: number;
  /** Each renewal that was granted. */
  readonly renewals: { readonly callMs: number; readonly returnMs: number; readonly member: string }[];
  /** When its revocation was asked for; Infinity: never. */
  revokedMs: number;
}

/** Somebody was sure to hold a lock. */
export interface Holding {
  readonly lock: string;
  readonly holder: string;
  /** Grows from holder to holder. */
  readonly token: number;
  readonly fromMs: number;
  untilMs: number;
}

export interface WatchedEvent {
  readonly type: 'PUT' | 'DELETE';
  readonly entry: Entry;
  readonly prev: Entry | undefined;
}

/** What a watch got, over all its connections. */
export interface WatchRecord {
  readonly name: string;
  readonly key: string;
  readonly end: string;
  readonly prevKv: boolean;
  readonly fromRevision: number;
  readonly deliveries: Delivery[];
}

export type Delivery =
  | {
      readonly kind: 'events';
      readonly events: readonly WatchedEvent[];
      readonly revision: number;
      readonly member: string;
    }
  | { readonly kind: 'progress'; readonly revision: number; readonly member: string }
  /** Another connection, from this revision on. */
  | { readonly kind: 'resumed'; readonly revision: number; readonly member: string };

export class History {
  readonly operations: Operation[] = [];
  readonly leases: LeaseRecord[] = [];
  readonly holdings: Holding[] = [];
  readonly compactions: Compaction[] = [];
  readonly watches: WatchRecord[] = [];
  /** Times at which a revision greater than all before was seen by anyone. */
  readonly seen: { readonly atMs: number; readonly revision: number }[] = [];
  #values = 0;

  /** A value that nobody has put so far. */
  newValue(): string {
    return `v${++this.#values}`;
  }

  begin(client: string, member: string, request: Request): Operation {
    const operation: Operation = {
      client,
      member,
      request,
      callMs: performance.now(),
      returnMs: Infinity,
      answer: undefined,
      refused: false,
      error: undefined,
    };
    this.operations.push(operation);
    return operation;
  }

  end(operation: Operation, answer: Answer): void {
    operation.returnMs = performance.now();
    operation.answer = answer;
    this.saw(answer.revision);
  }

  saw(revision: number): void {
    if (revision > (this.seen.at(-1)?.revision ?? 0)) this.seen.push({ atMs: performance.now(), revision });
  }

  /** The earliest moment at which somebody knew of the revision; Infinity: nobody ever did. */
  knownMs(revision: number): number {
    return this.seen.find((seen) => seen.revision >= revision)?.atMs ?? Infinity;
  }
}
