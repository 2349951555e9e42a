import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultCluster } from '../cluster.ts';
import type { History, WatchedEvent } from '../history.ts';
import { compactions } from './compactor.ts';
import { LEASED, leases } from './leases.ts';
import { LOCKS, locks } from './locks.ts';
import { objects, OBJECTS, OBJECTS_END } from './objects.ts';
import { registers } from './registers.ts';
import { Session } from './session.ts';
import { Watcher, type WatchWish } from './watchers.ts';

const WORKERS: readonly (readonly [string, number, (session: Session) => Promise<void>])[] = [
  ['register', 6, registers],
  ['object', 5, objects],
  ['lease', 3, leases],
  ['lock', 4, locks],
];

/** The watch of everything: what it has got is the store's history, of which the store itself may forget a part. */
const ALL = { key: '\0', end: '\uffff' };

const WATCHES: readonly Omit<WatchWish, 'fromRevision'>[] = [
  { key: 'r/', end: 'r0', prevKv: true, requireLeader: false },
  { key: OBJECTS, end: OBJECTS_END, prevKv: true, requireLeader: true },
  { key: LEASED, end: 'l0', prevKv: false, requireLeader: false },
  { key: LOCKS, end: 'lock0', prevKv: true, requireLeader: true },
  { ...ALL, prevKv: true, requireLeader: false },
];

/** Everybody who uses the cluster during a round. */
export class Traffic {
  readonly #workers: Session[] = [];
  readonly #watching: Session[] = [];
  readonly #watchers: Watcher[] = [];
  readonly #running: Promise<void>[] = [];

  constructor(cluster: FaultCluster, history: History, seed: number, compacts: boolean) {
    let number = 0;
    const session = (kind: string): Session => {
      number++;
      return new Session(`${kind}-${number}`, cluster, history, number, seed + number);
    };
    for (const [kind, count, work] of WORKERS) {
      for (let i = 0; i < count; i++) {
        const worker = session(kind);
        this.#workers.push(worker);
        this.#running.push(work(worker));
      }
    }
    if (compacts) {
      const worker = session('compaction');
      this.#workers.push(worker);
      this.#running.push(compactions(worker, () => this.#watchedTo()));
    }
    for (let i = 0; i < 2 * WATCHES.length; i++) {
      const wish = WATCHES[i % WATCHES.length] as WatchWish;
      const watching = session('watch');
      const watcher = new Watcher(watching, { ...wish, fromRevision: 1 });
      this.#watching.push(watching);
      this.#watchers.push(watcher);
      this.#running.push(watcher.run());
    }
    // What went wrong shows when the round ends.
    for (const running of this.#running) running.catch(() => {});
  }

  /** Every event of the store, as a watch of everything has got it. */
  chronicle(): WatchedEvent[] {
    const watcher = this.#watchers.find(({ record }) => record.key === ALL.key && record.end === ALL.end);
    return watcher?.record.deliveries.flatMap((one) => (one.kind === 'events' ? one.events : [])) ?? [];
  }

  #watchedTo(): number {
    return Math.min(...this.#watchers.map(({ completeTo }) => completeTo));
  }

  /** No more writes and reads; resolves when the last of them has its answer, or will get none. */
  async stopWorkers(): Promise<void> {
    for (const worker of this.#workers) worker.stop();
    await Promise.all(this.#running.slice(0, this.#workers.length));
  }

  /** Resolves when every watch has got everything up to `revision`. */
  async watchedTo(revision: number, timeoutMs: number): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const behind = this.#watchers.find(({ completeTo }) => completeTo < revision);
      if (behind === undefined) return;
      if (performance.now() > deadlineMs) {
        const { name, key } = behind.record;
        throw new Error(`${name} on ${key} is at ${behind.completeTo} of ${revision} ${timeoutMs} ms after peace came`);
      }
      await sleep(50);
    }
  }

  async stop(): Promise<void> {
    for (const session of [...this.#workers, ...this.#watching]) session.stop();
    await Promise.all(this.#running);
  }

  close(): void {
    for (const session of [...this.#workers, ...this.#watching]) session.close();
  }
}
