import { setTimeout as sleep } from 'node:timers/promises';
import { SeededRandom } from '../../../src/base/random.ts';
import type { ServerKind } from '../../support/server-process.ts';
import { MASTER_LEASE_TTL_SECONDS } from './api-server.ts';
import { Model } from './model.ts';
import { StoreUnderTest } from './store-under-test.ts';

export interface RunOptions {
  readonly members: number;
  readonly apiServers: number;
  readonly workers: number;
  readonly compactEveryMs: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** The memory of a store at one time. */
export interface MemorySample {
  readonly minute: number;
  readonly anonymousMb: number;
}

/** One store with the model on it: rounds of traffic, faults in between, and at the end what was found. */
export class Side {
  readonly kind: ServerKind;
  readonly model: Model;
  readonly memory: MemorySample[] = [];
  readonly #store: StoreUnderTest;
  readonly #options: RunOptions;
  readonly #random: SeededRandom;
  readonly #beganMs = performance.now();

  static async start(kind: ServerKind, options: RunOptions): Promise<Side> {
    const store = await StoreUnderTest.start(kind, options.members);
    const side = new Side(store, options);
    try {
      await side.model.start();
      return side;
    } catch (error) {
      await store.stop();
      throw error;
    }
  }

  private constructor(store: StoreUnderTest, options: RunOptions) {
    this.kind = store.kind;
    this.#store = store;
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    this.model = new Model({
      endpoints: Array.from({ length: options.apiServers }, (_, i) => store.endpoint(i)),
      workers: options.workers,
      compactEveryMs: options.compactEveryMs,
      random: () => this.#random.fraction(),
    });
  }

  /** Traffic for a while; `crashes` times a member is killed in the middle and comes back. */
  async round(durationMs: number, perSecond: number, crashes = 0): Promise<number> {
    const { figures } = this.model;
    const before = { writes: figures.writes, seconds: figures.seconds };
    await this.model.traffic(perSecond, async () => {
      for (let i = 0; i < crashes; i++) {
        await sleep(durationMs / (crashes + 1));
        await this.#crash();
      }
      await sleep(durationMs / (crashes + 1));
    });
    const minute = (performance.now() - this.#beganMs) / 60_000;
    this.memory.push({ minute, anonymousMb: this.#store.anonymousMb() });
    return (figures.writes - before.writes) / (figures.seconds - before.seconds);
  }

  /** The API servers' own records must go with their leases, now that nobody renews them. */
  async expectMasterLeasesEnd(): Promise<void> {
    const deadlineMs = performance.now() + MASTER_LEASE_TTL_SECONDS * 1000 + 30_000;
    while (performance.now() < deadlineMs) {
      if (await this.model.masterLeasesEnded()) return;
      await sleep(500);
    }
    this.model.findings.hold(false, 'a lease that ends deletes its keys', () => 'masterleases are still there');
  }

  async stop(): Promise<void> {
    try {
      await this.model.stop();
    } finally {
      await this.#store.stop();
    }
  }

  async #crash(): Promise<void> {
    this.#options.say(`${this.kind}: kill -9`);
    this.model.errors.faultBegins();
    try {
      await this.#store.crash(() => this.#random.fraction());
    } finally {
      this.model.errors.faultEnds();
    }
  }
}
