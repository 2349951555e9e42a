/**
 * Linearizable reads in rounds: the reads of a round share one question to the leader, which is asked again every 500 ms until
 * it is answered, the leader changes or the time is up (etcd-behaviour §2.14).
 */
import { type EtcdError, etcdError, type EtcdErrorName } from '../base/etcd-error.ts';
import type { Clock } from '../ports/clock.ts';
import type { RequestIds } from './request-ids.ts';

export interface ReadRoundsParts {
  readonly clock: Clock;
  /** A leader of etcd's kind tells reads apart by their context alone, so it has to be unique in the cluster. */
  readonly requestIds: RequestIds;
  /** Asks Raft for a read index under this context. */
  readonly ask: (context: Uint8Array) => void;
  readonly whenApplied: (index: number, done: () => void) => void;
  readonly timeoutMs: number;
}

interface Reader {
  readonly resolve: () => void;
  readonly reject: (error: EtcdError) => void;
  readonly deadlineMs: number;
}

interface Round {
  readers: Reader[];
  /** One for each time it was asked: any answer will do. */
  readonly contexts: bigint[];
  askedMs: number;
}

const RETRY_MS = 500;
/** Reads under way; beyond, new ones are refused. */
const READERS_MAX = 65_536;
/** Rounds under way; what comes in meanwhile shares the next one. */
const ROUNDS_MAX = 8;

export class ReadRounds {
  readonly #parts: ReadRoundsParts;
  readonly #rounds = new Set<Round>();
  readonly #byContext = new Map<bigint, Round>();
  /** For the next round. */
  #waiting: Reader[] = [];
  /** Answered, and waiting for their index to be applied. */
  readonly #applying = new Set<Round>();
  #size = 0;
  /** Rounds that were not in time (answers out of date too), and rounds that failed: as etcd counts them. */
  readonly totals = { slow: 0, failed: 0 };

  constructor(parts: ReadRoundsParts) {
    this.#parts = parts;
  }

  /** Rejects with Timeout, LeaderChanged, Stopped or TooManyRequests. */
  add(): Promise<void> {
    if (this.#size >= READERS_MAX) return Promise.reject(etcdError('TooManyRequests'));
    this.#size++;
    const deadlineMs = this.#parts.clock.monotonicMs() + this.#parts.timeoutMs;
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject, deadlineMs }));
  }

  /** Starts a round for the reads that wait for one. */
  begin(): void {
    if (this.#waiting.length === 0 || this.#rounds.size >= ROUNDS_MAX) return;
    const round: Round = { readers: this.#waiting, contexts: [], askedMs: 0 };
    this.#waiting = [];
    this.#rounds.add(round);
    this.#ask(round);
  }

  /** Raft answered. An answer to a round that is over is ignored. */
  answered(index: number, context: Uint8Array): void {
    if (context.length !== 8) return;
    const id = new DataView(context.buffer, context.byteOffset, 8).getBigUint64(0);
    const round = this.#byContext.get(id);
    if (round === undefined) {
      this.totals.slow++;
      return;
    }
    this.#forget(round);
    this.#applying.add(round);
    this.#parts.whenApplied(index, () => {
      this.#applying.delete(round);
      this.#size -= round.readers.length;
      for (const reader of round.readers) reader.resolve();
    });
  }

  /** An answer of the leader before may never come. */
  leaderChanged(): void {
    for (const round of this.#rounds) {
      this.#forget(round);
      this.totals.failed++;
      this.#fail(round.readers, 'LeaderChanged');
    }
  }

  tick(nowMs: number): void {
    const expire = (readers: Reader[]): Reader[] => {
      if (!readers.some(({ deadlineMs }) => deadlineMs <= nowMs)) return readers;
      this.totals.slow++;
      this.#fail(
        readers.filter(({ deadlineMs }) => deadlineMs <= nowMs),
        'Timeout',
      );
      return readers.filter(({ deadlineMs }) => deadlineMs > nowMs);
    };
    this.#waiting = expire(this.#waiting);
    for (const round of this.#applying) round.readers = expire(round.readers);
    for (const round of this.#rounds) {
      round.readers = expire(round.readers);
      if (round.readers.length === 0) this.#forget(round);
      else if (nowMs - round.askedMs >= RETRY_MS) this.#ask(round);
    }
  }

  stop(): void {
    for (const round of [...this.#rounds, ...this.#applying]) {
      this.#fail(round.readers, 'Stopped');
      round.readers = [];
    }
    this.#fail(this.#waiting, 'Stopped');
    this.#rounds.clear();
    this.#byContext.clear();
    this.#waiting = [];
  }

  #ask(round: Round): void {
    const { requestIds, clock, ask } = this.#parts;
    const id = requestIds.next();
    round.contexts.push(id);
    round.askedMs = clock.monotonicMs();
    this.#byContext.set(id, round);
    const context = new Uint8Array(8);
    new DataView(context.buffer).setBigUint64(0, id);
    ask(context);
  }

  #forget(round: Round): void {
    this.#rounds.delete(round);
    for (const id of round.contexts) this.#byContext.delete(id);
  }

  #fail(readers: readonly Reader[], why: EtcdErrorName): void {
    this.#size -= readers.length;
    for (const reader of readers) reader.reject(etcdError(why));
  }
}
