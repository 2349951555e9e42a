/**
 * Leases: what keeps keys alive until their owner stops asking.
 *
 * Every member holds the same leases, because grant, revoke and checkpoint come out of the log. Time does not: only the
 * primary (the leader) has expiries, and only there are renewals known. It finds what expired and proposes to revoke it;
 * the keys go when that revoke is applied. A new primary does not know the renewals of the old one and therefore starts
 * every lease anew, later rather than early: **a lease never ends before its time, whoever leads.**
 *
 * All times are milliseconds of one monotonic clock, given in as `nowMs` and never going back.
 * Behaviour: etcd, section Lease.
 */
import { assert } from '../base/assert.ts';
import { compareBytes, equalBytes } from '../base/bytes.ts';
import { etcdError } from '../base/etcd-error.ts';
import { decodeLease, encodeLease } from '../gen/leasepb.ts';
import { DeadlineHeap } from './deadline-heap.ts';
import { leaseTableKey, type LeaseKeys, type LeaseTable } from './lease-table.ts';

/** The largest TTL that can be granted. */
export const TTL_SECONDS_MAX = 9_000_000_000;

export interface LessorOptions {
  /** Shorter TTLs are raised to this: ceil(1.5 x election timeout). */
  readonly ttlSecondsMin: number;
  /** How long an expired lease whose revoke was proposed is given before it is proposed again. */
  readonly revokeRetryMs: number;
  /** How often the remaining time of a long lease goes to the log; 0: never. */
  readonly checkpointIntervalMs: number;
  /** Whether checkpoints are stored, and so survive a restart. */
  readonly checkpointPersist: () => boolean;
}

/** How many leases may expire in any one second after a change of the primary; the rest is put off. */
export const PROMOTED_EXPIRIES_PER_SECOND = 1000;

export interface LeaseCheckpoint {
  readonly id: bigint;
  readonly remainingTtlSeconds: number;
}

export type Renewal =
  /**
   * `clearCheckpoint`: a checkpoint of 0 must have gone through the log before the owner is told, or the next primary ends the
   * lease too early.
   */
  | { readonly status: 'renewed'; readonly ttlSeconds: number; readonly clearCheckpoint: boolean }
  /** Its time is over and its revoke not applied yet: ask again when whenSettled says so. */
  | { readonly status: 'expired' }
  | { readonly status: 'notFound' }
  /** Only the primary renews. */
  | { readonly status: 'notPrimary' };

export interface LeaseTime {
  readonly grantedTtlSeconds: number;
  /** Truncated towards zero; negative once expired for a second. Undefined on a member that is not the primary. */
  readonly remainingSeconds: number | undefined;
}

/** Totals since the start, for metrics. */
export interface LessorTotals {
  granted: number;
  revoked: number;
  renewed: number;
  /** Leases that expired() gave out for the first time. */
  expired: number;
}

interface Lease {
  readonly id: bigint;
  readonly ttlSeconds: number;
  /** The last checkpoint that was applied; 0 if it is cleared. */
  remainingTtlSeconds: number;
  /** A checkpoint was given out and may yet be applied. Only on the primary. */
  checkpointing: boolean;
  /** Infinity on a member that is not the primary. */
  expiryMs: number;
  /** expired() gave it out. It can not be renewed any more. */
  revoking: boolean;
}

export class Lessor {
  readonly totals: LessorTotals = { granted: 0, revoked: 0, renewed: 0, expired: 0 };
  /** Told of the TTL of every lease granted, as it holds. */
  onGranted: ((ttlSeconds: number) => void) | undefined;

  readonly #options: LessorOptions;
  readonly #table: LeaseTable;
  readonly #keys: LeaseKeys;
  readonly #leases = new Map<bigint, Lease>();
  /** On the primary: every lease, at its expiry or, once its revoke is under way, when to try again. Else empty. */
  readonly #expiries = new DeadlineHeap<Lease>();
  /** On the primary: leases with more than a checkpoint interval to go. Else empty. */
  readonly #checkpoints = new DeadlineHeap<Lease>();
  /** Who waits for an expired lease to be revoked. */
  readonly #waiting = new Map<bigint, Set<() => void>>();
  #primary = false;

  constructor(options: LessorOptions, table: LeaseTable, keys: LeaseKeys) {
    this.#options = options;
    this.#table = table;
    this.#keys = keys;
  }

  get size(): number {
    return this.#leases.size;
  }

  get primary(): boolean {
    return this.#primary;
  }

  has(id: bigint): boolean {
    return this.#leases.has(id);
  }

  /** Replaces everything by the rows of the lease table, at start or after a snapshot; not primary afterwards. */
  load(rows: Iterable<{ readonly key: Uint8Array; readonly value: Uint8Array }>): void {
    this.demote();
    this.#leases.clear();
    for (const { key, value } of rows) {
      const { ID: id, TTL: ttlSeconds, remainingTTL: remainingTtlSeconds } = decodeLease(value);
      assert(equalBytes(key, leaseTableKey(id)), 'a lease is stored under another id', { id });
      this.#leases.set(id, {
        id,
        ttlSeconds: Math.max(ttlSeconds, this.#options.ttlSecondsMin),
        remainingTtlSeconds,
        checkpointing: false,
        expiryMs: Infinity,
        revoking: false,
      });
    }
  }

  /** Returns the granted TTL in seconds. Throws LeaseTTLTooLarge, LeaseExist; LeaseNotFound for id 0. */
  grant(id: bigint, ttlSeconds: number, nowMs: number): number {
    if (id === 0n) throw etcdError('LeaseNotFound');
    if (ttlSeconds > TTL_SECONDS_MAX) throw etcdError('LeaseTTLTooLarge');
    if (this.#leases.has(id)) throw etcdError('LeaseExist');
    const lease: Lease = {
      id,
      ttlSeconds: Math.max(ttlSeconds, this.#options.ttlSecondsMin),
      remainingTtlSeconds: 0,
      checkpointing: false,
      expiryMs: Infinity,
      revoking: false,
    };
    this.#leases.set(id, lease);
    this.#table.put(id, encodeRecord(lease));
    if (this.#primary) this.#expireAt(lease, nowMs + lease.ttlSeconds * 1000, nowMs);
    this.totals.granted++;
    this.onGranted?.(lease.ttlSeconds);
    return lease.ttlSeconds;
  }

  /** Ends the lease and returns the keys that go with it, in key order: the caller deletes them in one revision. Throws LeaseNotFound. */
  revoke(id: bigint): Uint8Array[] {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw etcdError('LeaseNotFound');
    const keys = this.#keys.keysOf(id).sort(compareBytes);
    this.#leases.delete(id);
    this.#expiries.delete(lease);
    this.#checkpoints.delete(lease);
    this.#table.delete(id);
    this.totals.revoked++;
    this.#settle(id);
    return keys;
  }

  /** The keys attached to a lease, in key order; none if it does not exist. */
  keysOf(id: bigint): Uint8Array[] {
    return this.#leases.has(id) ? this.#keys.keysOf(id).sort(compareBytes) : [];
  }

  /** Gives the lease its full TTL again. O(1): renewals are the most frequent operation by far. */
  renew(id: bigint, nowMs: number): Renewal {
    if (!this.#primary) return { status: 'notPrimary' };
    const lease = this.#leases.get(id);
    if (lease === undefined) return { status: 'notFound' };
    if (lease.revoking || lease.expiryMs <= nowMs) return { status: 'expired' };
    const clearCheckpoint = lease.remainingTtlSeconds > 0 || lease.checkpointing;
    this.#expireAt(lease, nowMs + lease.ttlSeconds * 1000, nowMs);
    this.totals.renewed++;
    return { status: 'renewed', ttlSeconds: lease.ttlSeconds, clearCheckpoint };
  }

  /**
   * Calls `run` once when the lease is revoked or this member stops being the primary, at once if it already is so.
   * The returned function cancels it.
   */
  whenSettled(id: bigint, run: () => void): () => void {
    if (!this.#primary || !this.#leases.has(id)) {
      run();
      return () => {};
    }
    let waiting = this.#waiting.get(id);
    if (waiting === undefined) this.#waiting.set(id, (waiting = new Set()));
    /** Its own function, so that the same `run` can wait twice. */
    const once = (): void => run();
    const set = waiting.add(once);
    return () => {
      set.delete(once);
      if (set.size === 0 && this.#waiting.get(id) === set) this.#waiting.delete(id);
    };
  }

  timeToLive(id: bigint, nowMs: number): LeaseTime | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined) return undefined;
    const remainingSeconds = this.#primary ? Math.trunc((lease.expiryMs - nowMs) / 1000) + 0 : undefined;
    return { grantedTtlSeconds: lease.ttlSeconds, remainingSeconds };
  }

  /** All ids; on the primary, what expires first comes first. */
  leases(): bigint[] {
    const leases = [...this.#leases.values()];
    if (this.#primary) leases.sort(byExpiry);
    return leases.map((lease) => lease.id);
  }

  /**
   * Becomes the primary: from now on leases expire here. Each gets its checkpointed time, or its whole TTL, and `extendMs`
   * on top, so that owners who renewed at the old primary have time to find the new one.
   */
  promote(extendMs: number, nowMs: number): void {
    this.#primary = true;
    this.#expiries.clear();
    this.#checkpoints.clear();
    const leases = [...this.#leases.values()];
    for (const lease of leases) {
      const seconds = lease.remainingTtlSeconds > 0 ? lease.remainingTtlSeconds : lease.ttlSeconds;
      lease.expiryMs = nowMs + extendMs + seconds * 1000;
      lease.revoking = false;
      lease.checkpointing = false;
    }
    spread(leases.sort(byExpiry));
    for (const lease of leases) this.#expireAt(lease, lease.expiryMs, nowMs);
  }

  /** Stops being the primary: nothing expires here any more. */
  demote(): void {
    this.#primary = false;
    this.#expiries.clear();
    this.#checkpoints.clear();
    for (const lease of this.#leases.values()) {
      lease.expiryMs = Infinity;
      lease.revoking = false;
    }
    for (const id of this.#waiting.keys()) this.#settle(id);
  }

  /**
   * Up to `max` leases to revoke now, longest expired first. One that was given out can not be renewed, and comes again
   * after `revokeRetryMs` unless it has been revoked meanwhile.
   */
  expired(nowMs: number, max: number): bigint[] {
    const ids: bigint[] = [];
    while (ids.length < max) {
      const lease = this.#expiries.takeDue(nowMs);
      if (lease === undefined) break;
      if (!lease.revoking) this.totals.expired++;
      lease.revoking = true;
      this.#checkpoints.delete(lease);
      ids.push(lease.id);
      this.#expiries.set(lease, nowMs + this.#options.revokeRetryMs);
    }
    return ids;
  }

  /** Up to `max` checkpoints to put through the log now. Each lease comes again one interval later. */
  checkpointsDue(nowMs: number, max: number): LeaseCheckpoint[] {
    const due: LeaseCheckpoint[] = [];
    while (due.length < max) {
      const lease = this.#checkpoints.takeDue(nowMs);
      if (lease === undefined) break;
      this.#scheduleCheckpoint(lease, nowMs);
      const remainingTtlSeconds = Math.ceil((lease.expiryMs - nowMs) / 1000);
      /** Just renewed, or put off by a promotion: there is nothing to tell. */
      if (remainingTtlSeconds <= 0 || remainingTtlSeconds >= lease.ttlSeconds) continue;
      lease.checkpointing = true;
      due.push({ id: lease.id, remainingTtlSeconds });
    }
    return due;
  }

  /** Applies a checkpoint from the log; 0 clears it. Throws LeaseNotFound. The expiry of a running lease stays as it is. */
  checkpoint(id: bigint, remainingTtlSeconds: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw etcdError('LeaseNotFound');
    lease.remainingTtlSeconds = remainingTtlSeconds;
    // One that clears comes after all that were given out before the renewal.
    if (remainingTtlSeconds === 0) lease.checkpointing = false;
    if (this.#options.checkpointPersist()) this.#table.put(id, encodeRecord(lease));
  }

  #expireAt(lease: Lease, expiryMs: number, nowMs: number): void {
    lease.expiryMs = expiryMs;
    this.#expiries.set(lease, expiryMs);
    this.#scheduleCheckpoint(lease, nowMs);
  }

  #scheduleCheckpoint(lease: Lease, nowMs: number): void {
    const intervalMs = this.#options.checkpointIntervalMs;
    if (intervalMs === 0) return;
    if (lease.expiryMs - nowMs > intervalMs) this.#checkpoints.set(lease, nowMs + intervalMs);
    else this.#checkpoints.delete(lease);
  }

  #settle(id: bigint): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    for (const run of waiting) run();
  }
}

function encodeRecord(lease: Lease): Uint8Array {
  return encodeLease({ ID: lease.id, TTL: lease.ttlSeconds, remainingTTL: lease.remainingTtlSeconds });
}

function byExpiry(a: Lease, b: Lease): number {
  if (a.expiryMs !== b.expiryMs) return a.expiryMs - b.expiryMs;
  return a.id < b.id ? -1 : 1;
}

/**
 * Puts expiries off so that no second has more than PROMOTED_EXPIRIES_PER_SECOND of them: leases that were granted over a
 * day would otherwise all end in the same instant after a change of the primary. Expects and keeps the order of expiry.
 */
function spread(leases: readonly Lease[]): void {
  for (let i = PROMOTED_EXPIRIES_PER_SECOND; i < leases.length; i++) {
    const lease = leases[i] as Lease;
    const before = leases[i - PROMOTED_EXPIRIES_PER_SECOND] as Lease;
    lease.expiryMs = Math.max(lease.expiryMs, before.expiryMs + 1000);
  }
}
