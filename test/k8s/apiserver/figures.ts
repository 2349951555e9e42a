import { Latencies } from '../../../bench/load/latencies.ts';

export const OPERATIONS = ['create', 'update', 'delete', 'get', 'list', 'consistent read', 'watch delay'] as const;
export type Operation = (typeof OPERATIONS)[number];

/** What was measured on one target; rounds add up. */
export class Figures {
  readonly latencies: Readonly<Record<Operation, Latencies>> = Object.fromEntries(
    OPERATIONS.map((name) => [name, new Latencies()]),
  ) as Record<Operation, Latencies>;
  /** Seconds of traffic. */
  seconds = 0;
  conflicts = 0;
  resumed = 0;
  relisted = 0;
  compactions = 0;
  /** Lists that a compaction passed while they went on. */
  gone = 0;
  /** Keys that ended with their lease. */
  expired = 0;
  /** Requests that ended with an error while a server was down, or just after. */
  excused = 0;

  /** Writes that were acknowledged. */
  get writes(): number {
    return this.latencies.create.count + this.latencies.update.count + this.latencies.delete.count;
  }

  get writesPerSecond(): number {
    return this.seconds === 0 ? 0 : this.writes / this.seconds;
  }

  async timed<T>(operation: Operation, body: () => Promise<T>): Promise<T> {
    const began = performance.now();
    const result = await body();
    this.latencies[operation].recordMs(performance.now() - began);
    return result;
  }
}
