import { SeededRandom } from '../../src/base/random.ts';
import type { JsonMessage, JsonValue, Operation, RevisionRef } from './operation.ts';

/** Bytes that keys are made of: few, so that operations meet; the extremes, because they are special in ranges. */
const KEY_BYTES = ['\x00', 'a', 'b', 'c', '\x7f', '\xff'];
const STREAMS = 3;
const LEASES = 6;
/** Never ends during a run: expiry would come at a different moment on each side. */
const LEASE_TTL = 100_000;

/** Random operations; the same seed gives the same sequence. */
export class Generator {
  readonly #random: SeededRandom;
  readonly #weights: readonly (readonly [number, () => Operation])[];
  #values = 0;

  constructor(seed: number, options: { readonly restarts: boolean } = { restarts: false }) {
    this.#random = new SeededRandom(seed);
    this.#weights = [
      [3500, () => ({ rpc: 'Put', request: this.#put() })],
      [2200, () => ({ rpc: 'Range', request: this.#range() })],
      [1100, () => ({ rpc: 'DeleteRange', request: this.#deleteRange() })],
      [2200, () => ({ rpc: 'Txn', request: withoutEtcdsEnd(this.#txn(0)) })],
      [120, () => ({ rpc: 'LeaseGrant', request: { ID: this.#leaseId(), TTL: LEASE_TTL } })],
      [60, () => ({ rpc: 'LeaseRevoke', request: { ID: this.#leaseId() } })],
      [60, () => ({ rpc: 'LeaseTimeToLive', request: { ID: this.#leaseId(), keys: this.#chance(0.8) } })],
      [15, () => ({ rpc: 'LeaseLeases', request: {} })],
      [40, () => ({ rpc: 'Compact', request: { revision: this.#compactRevision(), physical: this.#chance(0.6) } })],
      [
        60,
        () => ({ rpc: 'HashKV', request: { revision: this.#chance(0.5) ? 0 : { current: -this.#random.below(200) } } }),
      ],
      [2, () => ({ rpc: 'Defragment', request: {} })],
      [50, () => this.#watchCreate()],
      [35, () => ({ watch: 'cancel', stream: this.#random.below(STREAMS), watch_id: this.#random.below(7) })],
      [15, () => ({ watch: 'progress', stream: this.#random.below(STREAMS) })],
      [25, () => ({ step: 'sync' })],
      [options.restarts ? 2 : 0, () => ({ step: 'restart' })],
    ];
  }

  next(): Operation {
    const total = this.#weights.reduce((sum, [weight]) => sum + weight, 0);
    let at = this.#random.below(total);
    for (const [weight, make] of this.#weights) {
      if (at < weight) return make();
      at -= weight;
    }
    throw new Error('weights do not add up');
  }

  #chance(probability: number): boolean {
    return this.#random.fraction() < probability;
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[this.#random.below(items.length)];
    if (item === undefined) throw new Error('nothing to pick from');
    return item;
  }

  #key(): string {
    // An empty key now and then: it must be refused.
    if (this.#chance(0.005)) return '';
    const length = this.#pick([1, 1, 2, 2, 2, 3]);
    return Array.from({ length }, () => this.#pick(KEY_BYTES)).join('');
  }

  #value(): string {
    if (this.#chance(0.15)) return this.#pick(['', '\x00', 'a', 'b', '\xff\xfe']);
    if (this.#chance(0.01)) return 'x'.repeat(this.#random.below(20_000));
    return `v${this.#values++}`;
  }

  /** Mostly a usable end; sometimes one that makes the range empty. */
  #rangeEnd(): string | undefined {
    const kind = this.#random.below(10);
    if (kind < 4) return undefined;
    if (kind < 6) return '\x00';
    return this.#key();
  }

  #leaseId(): number {
    return 1 + this.#random.below(LEASES);
  }

  /** A revision to read at: around the current one, around the compacted one, or none. */
  #revision(): JsonValue {
    const kind = this.#random.below(20);
    if (kind < 10) return { current: -this.#random.below(15) };
    if (kind < 13) return { current: -this.#random.below(200) };
    if (kind < 16) return { compacted: this.#random.below(6) - 2 };
    if (kind < 17) return { current: 1 + this.#random.below(3) };
    return this.#random.below(3) - 1;
  }

  #compactRevision(): RevisionRef {
    const kind = this.#random.below(20);
    if (kind < 12) return { current: -this.#random.below(100) };
    if (kind < 16) return { compacted: 1 + this.#random.below(50) };
    if (kind < 18) return { current: 0 };
    if (kind < 19) return { compacted: 0 };
    return { current: 1 };
  }

  #put(): JsonMessage {
    const ignoreValue = this.#chance(0.04);
    const ignoreLease = this.#chance(0.04);
    // Sometimes contradictory on purpose.
    const hasValue = ignoreValue ? this.#chance(0.1) : this.#chance(0.95);
    const hasLease = ignoreLease ? this.#chance(0.1) : this.#chance(0.15);
    return {
      key: this.#key(),
      value: hasValue ? this.#value() : undefined,
      lease: hasLease ? this.#leaseId() : undefined,
      prev_kv: this.#chance(0.3) || undefined,
      ignore_value: ignoreValue || undefined,
      ignore_lease: ignoreLease || undefined,
    };
  }

  #range(): JsonMessage {
    const sorted = this.#chance(0.35);
    const filtered = this.#chance(0.15);
    return {
      key: this.#key(),
      range_end: this.#rangeEnd(),
      limit: this.#chance(0.4) ? this.#random.below(12) - 1 : undefined,
      revision: this.#chance(0.4) ? this.#revision() : undefined,
      sort_order: sorted ? this.#random.below(3) : undefined,
      sort_target: sorted ? this.#random.below(5) : undefined,
      serializable: this.#chance(0.3) || undefined,
      keys_only: this.#chance(0.15) || undefined,
      count_only: this.#chance(0.15) || undefined,
      min_mod_revision: filtered && this.#chance(0.4) ? this.#revision() : undefined,
      max_mod_revision: filtered && this.#chance(0.4) ? this.#revision() : undefined,
      min_create_revision: filtered && this.#chance(0.4) ? this.#revision() : undefined,
      max_create_revision: filtered && this.#chance(0.4) ? this.#revision() : undefined,
    };
  }

  #deleteRange(): JsonMessage {
    // Whole-keyspace deletes stay rare, or there would be nothing to work on.
    const range_end = this.#chance(0.6) ? undefined : this.#rangeEnd();
    return {
      key: this.#key(),
      range_end: range_end === '\x00' && this.#chance(0.7) ? undefined : range_end,
      prev_kv: this.#chance(0.4) || undefined,
    };
  }

  #compare(): JsonMessage {
    const target = this.#random.below(5);
    const union =
      [
        { version: this.#random.below(5) },
        { create_revision: this.#revision() },
        { mod_revision: this.#revision() },
        { value: this.#value() },
        { lease: this.#random.below(LEASES + 1) },
      ][target] ?? {};
    return {
      result: this.#random.below(this.#chance(0.02) ? 6 : 4),
      target,
      key: this.#key(),
      range_end: this.#chance(0.2) ? this.#rangeEnd() : undefined,
      ...(this.#chance(0.95) ? union : {}),
    };
  }

  #txn(depth: number): JsonMessage {
    const branch = (): JsonMessage[] =>
      Array.from({ length: this.#random.below(depth === 0 ? 5 : 3) }, () => this.#requestOp(depth));
    return {
      compare: Array.from({ length: this.#random.below(3) }, () => this.#compare()),
      success: branch(),
      failure: branch(),
    };
  }

  #requestOp(depth: number): JsonMessage {
    const kind = this.#random.below(20);
    if (kind < 7) return { request_put: this.#put() };
    if (kind < 13) return { request_range: this.#range() };
    if (kind < 16) return { request_delete_range: this.#deleteRange() };
    if (kind < 19 && depth < 3) return { request_txn: this.#txn(depth + 1) };
    return this.#chance(0.02) ? {} : { request_range: this.#range() };
  }

  #watchCreate(): Operation {
    const filters = [undefined, undefined, undefined, [0], [1], [0, 1]][this.#random.below(6)];
    const start = this.#random.below(10);
    let start_revision: JsonValue;
    if (start < 4) start_revision = { current: -this.#random.below(40) };
    else if (start < 5) start_revision = { current: 1 + this.#random.below(10) };
    else if (start < 7) start_revision = { compacted: this.#random.below(4) - 2 };
    return {
      watch: 'create',
      stream: this.#random.below(STREAMS),
      request: {
        key: this.#key(),
        range_end: this.#rangeEnd(),
        start_revision,
        prev_kv: this.#chance(0.5) || undefined,
        watch_id: this.#chance(0.5) ? this.#random.below(7) : undefined,
        filters,
      },
    };
  }
}

/**
 * A txn that deletes all keys from one on and keeps the value or the lease of a key that it puts: etcd does not see the two as
 * a duplicate, and panics if the delete comes first. Such puts keep nothing here.
 */
function withoutEtcdsEnd(txn: JsonMessage): JsonMessage {
  const ops: JsonMessage[] = [];
  const collect = ({ success, failure }: JsonMessage): void => {
    for (const op of [...(success as JsonMessage[]), ...(failure as JsonMessage[])]) {
      ops.push(op);
      if (op['request_txn'] !== undefined) collect(op['request_txn'] as JsonMessage);
    }
  };
  collect(txn);
  const deletesToTheEnd = ops.some(
    (op) => (op['request_delete_range'] as JsonMessage | undefined)?.['range_end'] === '\x00',
  );
  for (const put of ops.map((op) => op['request_put'] as JsonMessage | undefined)) {
    if (!deletesToTheEnd || put === undefined) continue;
    Object.assign(put, { ignore_value: undefined, ignore_lease: undefined });
  }
  return txn;
}
