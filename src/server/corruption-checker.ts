/**
 * Compares this member's data with the others': before it serves, and on the leader from time to time. Members that hold
 * different data would answer differently for ever; the CORRUPT alarm stops all of them until an operator has looked.
 */
import { AlarmType } from '../gen/rpc.ts';
import type { HashKv } from '../mvcc/hash-kv.ts';
import type { ServerCore } from './core.ts';
import { compactionVerdict, differing, suspectOf, type PeerHash } from './corruption-rules.ts';

export interface CorruptionCheckerOptions {
  /** Between two comparisons of all data; 0: never. */
  readonly periodMs: number;
  /** Between two comparisons of the hashes that compactions made; 0: never. */
  readonly compactionPeriodMs: number;
}

export class CorruptionChecker {
  readonly #core: ServerCore;
  readonly #options: CorruptionCheckerOptions;
  readonly #cancels = new Set<() => void>();
  #isStopped = false;
  /** Compactions up to this revision were found equal on all members. */
  #compactionsCheckedRev = 0;

  constructor(core: ServerCore, options: CorruptionCheckerOptions) {
    this.#core = core;
    this.#options = options;
  }

  /**
   * Before the log is followed: at the revision that the database was left at. Members that do not answer in time prove
   * nothing. Rejects when one has other data.
   */
  async initialCheck(): Promise<void> {
    const { memberId, logger, limits } = this.#core.parts;
    const own = await this.#hash();
    const peers = await this.#askPeers(own.hashRevision, limits.requestMs);
    const different = differing(own, peers);
    if (different.length > 0) {
      const { hashRevision, hash } = own;
      logger.error('found different data on other members', { others: different.map(hex), hashRevision, hash });
      throw new Error(`${hex(memberId)} found data inconsistency with peers`);
    }
    const answered = peers.filter(({ answer }) => answer !== undefined).length;
    logger.info('initial corruption check passed', { revision: own.hashRevision, 'members-asked': answered });
  }

  start(): void {
    const { periodMs, compactionPeriodMs } = this.#options;
    if (periodMs > 0) this.#every(periodMs, () => this.check());
    if (compactionPeriodMs > 0) this.#every(compactionPeriodMs, () => this.checkCompactions());
  }

  stop(): void {
    this.#isStopped = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  /** Compares all data at the current revision. */
  async check(): Promise<void> {
    const { node, memberId, logger } = this.#core.parts;
    if (!node.isLeader) return;
    const before = await this.#hash();
    const peers = await this.#askPeers(before.hashRevision);
    await this.#core.linearizable();
    const after = await this.#hash();
    const suspect = suspectOf(memberId, before, after, peers);
    const answered = peers.filter(({ answer }) => answer !== undefined).length;
    logger.debug('compared the data of the members', { revision: before.hashRevision, 'members-asked': answered });
    if (suspect !== undefined) await this.#accuse(suspect, before.hashRevision);
  }

  /** Compares what compactions hashed, from the newest one that was not found equal yet. */
  async checkCompactions(): Promise<void> {
    const { node, store, memberId, logger } = this.#core.parts;
    if (!node.isLeader) return;
    const unchecked = store.compactionHashes.filter(({ hashRevision }) => hashRevision > this.#compactionsCheckedRev);
    for (const own of unchecked.sort((a, b) => b.hashRevision - a.hashRevision)) {
      const peers = await this.#askPeers(own.hashRevision);
      if (peers.length === 0) return;
      const { corrupt, isConclusive } = compactionVerdict(memberId, own, peers);
      for (const id of corrupt) await this.#accuse(id, own.hashRevision);
      if (!isConclusive) continue;
      if (corrupt.length === 0) this.#compactionsCheckedRev = own.hashRevision;
      logger.debug('compared the compactions of the members', { revision: own.hashRevision });
      return;
    }
  }

  /** One at a time: however long it takes, the next begins `periodMs` after it has ended. */
  #every(periodMs: number, check: () => Promise<void>): void {
    if (this.#isStopped) return;
    const { clock, logger } = this.#core.parts;
    const cancel = clock.after(periodMs, () => {
      this.#cancels.delete(cancel);
      check()
        .catch((error: unknown) => logger.warn('failed to compare the members', { error: String(error) }))
        .finally(() => this.#every(periodMs, check));
    });
    this.#cancels.add(cancel);
  }

  #hash(): Promise<HashKv> {
    const { store, jobs } = this.#core.parts;
    return jobs.run(store.hashKvJob(0));
  }

  async #askPeers(revision: number, timeoutMs = Infinity): Promise<PeerHash[]> {
    const { cluster, memberId, calls, logger } = this.#core.parts;
    const others = cluster.members().filter(({ id }) => id !== memberId);
    return Promise.all(
      others.map(async ({ id, peerURLs }) => {
        try {
          const { header, ...hash } = await this.#within(timeoutMs, calls.hashKv(peerURLs, revision));
          return { id, answer: { ...hash, revision: header?.revision ?? 0 } };
        } catch (error) {
          logger.warn('cannot compare with a member', { id: hex(id), revision, error: String(error) });
          return { id, answer: undefined };
        }
      }),
    );
  }

  #within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
    if (timeoutMs === Infinity) return work;
    const { clock } = this.#core.parts;
    return new Promise((resolve, reject) => {
      const cancel = clock.after(timeoutMs, () => reject(new Error(`no answer within ${timeoutMs} ms`)));
      work.then(resolve, reject).finally(cancel);
    });
  }

  /** Raises the CORRUPT alarm of a member, unless it is raised. */
  async #accuse(id: bigint, revision: number): Promise<void> {
    const { alarms, logger } = this.#core.parts;
    if (alarms.list(AlarmType.CORRUPT).some(({ memberID }) => memberID === id)) return;
    logger.error('the data of members differ', { corrupt: id === 0n ? 'unknown' : hex(id), revision });
    const request = { action: 1, memberID: id, alarm: AlarmType.CORRUPT };
    await this.#core.proposeInternal({ alarm: request }, { kind: 'alarm', request });
  }
}

function hex(id: bigint): string {
  return id.toString(16);
}
