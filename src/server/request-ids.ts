/**
 * Ids for proposals and for leases whose id the server picks, as etcd makes them: the low 16 bits of the member id, then 40
 * bits of milliseconds at the start, then a counter of 8 bits that carries upward. Unique across members and restarts.
 */
export class RequestIds {
  readonly #prefix: bigint;
  /** 48 bits, held as a number: adding to a bigint for each request costs more. */
  #suffix: number;

  constructor(memberId: bigint, startWallMs: number) {
    this.#prefix = (memberId & 0xffffn) << 48n;
    this.#suffix = (Math.floor(startWallMs) % 2 ** 40) * 256;
  }

  next(): bigint {
    this.#suffix = (this.#suffix + 1) % 2 ** 48;
    return this.#prefix | BigInt(this.#suffix);
  }

  /** A lease id: the same with the top bit off, so that it is positive as an int64. */
  nextLeaseId(): bigint {
    return this.next() & 0x7fff_ffff_ffff_ffffn;
  }
}
