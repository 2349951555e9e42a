/**
 * Ranges whose answers take longer than a slice to read: so many at a time, connection by connection, and no more of them than
 * memory has room for. Whoever asks for little is not held up by it.
 */
import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import type { Job } from '../ports/job.ts';
import type { Caller } from './caller.ts';
import type { HeldBytes } from './held-bytes.ts';
import type { JobRunner } from './job-runner.ts';

/** Under way at a time: each pins a state of the database. */
const RUNNING_MAX = 16;
/** Waiting in all, and of one connection. */
const WAITING_MAX = 4096;
const WAITING_PER_CONNECTION_MAX = 256;

/** Reads into memory that it counts. */
export interface AnswerJob<T> extends Job<T> {
  readonly heldBytes: number;
}

interface Waiting {
  readonly caller: Caller;
  readonly resolve: () => void;
  readonly reject: (error: EtcdError) => void;
}

export class LargeReads {
  readonly #jobs: JobRunner;
  readonly #held: HeldBytes;
  /** Oldest first. */
  readonly #running = new Set<object>();
  /** By connection; none of the lists is empty. The first connection is the next. */
  readonly #waiting = new Map<string, Waiting[]>();
  #waitingCount = 0;
  /** Between a job's end and the start of the one that waited for it. */
  #promised = 0;

  constructor(jobs: JobRunner, held: HeldBytes) {
    this.#jobs = jobs;
    this.#held = held;
  }

  /** Rejects with TooManyRequests, with Canceled once nobody waits for the answer, and with what the job throws. */
  async run<T>(caller: Caller, make: () => AnswerJob<T>): Promise<T> {
    if (!this.#hasPlace) {
      const short = await this.#jobs.runShort(make());
      if (short !== undefined) return short;
      if (!this.#hasPlace) {
        await this.#turn(caller);
        this.#promised--;
      }
    }
    const job = new CountedJob(caller, make(), (bytes) => this.#held.otherChanged(bytes));
    this.#running.add(job);
    try {
      return await this.#jobs.run(job, () => this.#isBlocked(job));
    } finally {
      this.#running.delete(job);
      this.#next();
    }
  }

  get #hasPlace(): boolean {
    return this.#running.size + this.#promised < RUNNING_MAX;
  }

  /** The oldest waits only for clients that are slow to read; the others for memory. */
  #isBlocked(job: object): boolean {
    if (!this.#held.isFull) return false;
    const [oldest] = this.#running;
    return job !== oldest || this.#held.total - this.#held.otherBytes > this.#held.max;
  }

  #turn(caller: Caller): Promise<void> {
    const connection = caller.peerAddress ?? '';
    if (this.#waitingCount >= WAITING_MAX) this.#dropCancelled();
    const own = this.#waiting.get(connection) ?? [];
    if (this.#waitingCount >= WAITING_MAX || own.length >= WAITING_PER_CONNECTION_MAX) {
      throw etcdError('TooManyRequests');
    }
    return new Promise((resolve, reject) => {
      own.push({ caller, resolve, reject });
      this.#waiting.set(connection, own);
      this.#waitingCount++;
    });
  }

  #next(): void {
    for (const [connection, list] of this.#waiting) {
      const next = list.shift();
      this.#waiting.delete(connection);
      // Behind the other connections.
      if (list.length > 0) this.#waiting.set(connection, list);
      if (next === undefined) continue;
      this.#waitingCount--;
      if (next.caller.cancelled) {
        next.reject(cancelled());
        continue;
      }
      this.#promised++;
      next.resolve();
      return;
    }
  }

  #dropCancelled(): void {
    for (const [connection, list] of this.#waiting) {
      const alive = list.filter(({ caller, reject }) => {
        if (caller.cancelled) reject(cancelled());
        return !caller.cancelled;
      });
      this.#waitingCount -= list.length - alive.length;
      if (alive.length > 0) this.#waiting.set(connection, alive);
      else this.#waiting.delete(connection);
    }
  }
}

function cancelled(): EtcdError {
  return new EtcdError(Code.Canceled, 'context canceled');
}

/** Reports what it holds until it is closed, and ends when its caller is gone. */
class CountedJob<T> implements Job<T> {
  readonly #caller: Caller;
  readonly #job: AnswerJob<T>;
  readonly #changed: (byBytes: number) => void;
  #reported = 0;

  constructor(caller: Caller, job: AnswerJob<T>, changed: (byBytes: number) => void) {
    this.#caller = caller;
    this.#job = job;
    this.#changed = changed;
  }

  step(units: number): boolean {
    if (this.#caller.cancelled) throw cancelled();
    const isDone = this.#job.step(units);
    this.#report(this.#job.heldBytes);
    return isDone;
  }

  result(): T {
    return this.#job.result();
  }

  close(): void {
    this.#job.close();
    this.#report(0);
  }

  #report(bytes: number): void {
    if (bytes === this.#reported) return;
    this.#changed(bytes - this.#reported);
    this.#reported = bytes;
  }
}
