/**
 * When leases may end. A lease lives at least its time to live from the moment when it was granted or kept alive, through
 * crashes and restarts too, unless a client revokes it; and it ends some time after.
 */
import type { Applied, ReferenceLease, ReferenceMember } from '../model/reference-member.ts';
import { require } from '../world/violation.ts';

/** A member times a grant by a clock that it read at the start of a slice of applying. */
const TOLERANCE_MS = 250;

export class LeaseBook {
  readonly #reference: ReferenceMember;
  /** No earlier than this may it end. */
  readonly #notBeforeMs = new Map<ReferenceLease, number>();
  /** Revokes asked for by clients, of this id. */
  readonly #revokesAsked = new Set<bigint>();
  /** Grants asked for. */
  readonly #grantsAsked = new Set<bigint>();
  /** Grants asked for whose id the server picks; by time to live. */
  readonly #openGrants = new Map<number, number>();

  constructor(reference: ReferenceMember) {
    this.#reference = reference;
  }

  grantAsked(id: bigint, ttlSeconds: number): void {
    if (id === 0n) this.#openGrants.set(ttlSeconds, (this.#openGrants.get(ttlSeconds) ?? 0) + 1);
    else this.#grantsAsked.add(id);
  }

  revokeAsked(id: bigint): void {
    this.#revokesAsked.add(id);
  }

  /** Returns whether it was the end of a lease whose time was over. */
  applied({ command, index, error }: Applied, nowMs: number): boolean {
    if (error !== undefined) return false;
    if (command.kind === 'leaseGrant') this.#granted(command.request.ID, command.request.TTL, index, nowMs);
    return command.kind === 'leaseRevoke' && this.#ended(command.request.ID, index, nowMs);
  }

  /** Kept alive: the request had reached the member at `arrivedMs`. */
  renewed(lease: ReferenceLease, arrivedMs: number): void {
    const notBeforeMs = arrivedMs + lease.ttlSeconds * 1000;
    this.#notBeforeMs.set(lease, Math.max(this.#notBeforeMs.get(lease) ?? 0, notBeforeMs));
  }

  notBeforeMs(lease: ReferenceLease): number {
    return this.#notBeforeMs.get(lease) ?? 0;
  }

  #granted(id: bigint, ttlSeconds: number, index: number, nowMs: number): void {
    if (!this.#grantsAsked.has(id)) {
      const open = this.#openGrants.get(ttlSeconds) ?? 0;
      require(open > 0, 'invented', () => `nobody asked for lease ${id} of ${ttlSeconds} s`);
      this.#openGrants.set(ttlSeconds, open - 1);
    }
    const lease = this.#reference.leaseAt(id, index) as ReferenceLease;
    this.#notBeforeMs.set(lease, nowMs - TOLERANCE_MS + lease.ttlSeconds * 1000);
  }

  #ended(id: bigint, index: number, nowMs: number): boolean {
    if (this.#revokesAsked.has(id)) return false;
    const lease = this.#reference.leaseAt(id, index - 1) as ReferenceLease;
    const notBeforeMs = this.notBeforeMs(lease);
    require(nowMs >= notBeforeMs, 'lease too early', () => {
      const early = (notBeforeMs - nowMs).toFixed(0);
      return `lease ${id} of ${lease.ttlSeconds} s ended ${early} ms before its time`;
    });
    return true;
  }
}
