/** The client that is to be served whatever others do: puts a key and reads it, one request after the other. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as grpc from '@grpc/grpc-js';
import { RawClient } from '../support/raw-client.ts';

const PAUSE_MS = 5;
const TIMEOUT_MS = 15_000;
const NEW_CONNECTION_EVERY = 4;

export interface Served {
  readonly requests: number;
  readonly failed: readonly string[];
  readonly worstMs: number;
  readonly medianMs: number;
  /** Of requests on a connection of their own, with what it takes to make one. */
  readonly worstNewMs: number;
}

export interface GoodClientOptions {
  readonly endpoint: string;
  /** The authority of the server's certificate. */
  readonly ca?: string | undefined;
  readonly token?: string | undefined;
}

export class GoodClient {
  readonly #options: GoodClientOptions;
  readonly #client: RawClient;
  #isOver = false;
  #took: number[] = [];
  #tookNew: number[] = [];
  #failed: string[] = [];
  #work: Promise<void> | undefined;
  #next = 0;

  constructor(options: GoodClientOptions) {
    this.#options = options;
    this.#client = this.#connect();
  }

  /** Forgets what it has measured so far. */
  restart(): void {
    this.#took = [];
    this.#tookNew = [];
    this.#failed = [];
  }

  start(): void {
    this.#work = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#work;
    this.#client.close();
  }

  get served(): Served {
    const sorted = this.#took.toSorted((a, b) => a - b);
    return {
      requests: sorted.length,
      failed: this.#failed,
      worstMs: sorted.at(-1) ?? Infinity,
      medianMs: sorted[Math.floor(sorted.length / 2)] ?? Infinity,
      worstNewMs: Math.max(0, ...this.#tookNew),
    };
  }

  #connect(): RawClient {
    const { endpoint, ca, token } = this.#options;
    const credentials = ca === undefined ? undefined : grpc.credentials.createSsl(Buffer.from(ca));
    const client = credentials === undefined ? new RawClient(endpoint) : new RawClient(endpoint, {}, credentials);
    if (token !== undefined) client.metadata = { token };
    return client;
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const n = this.#next++;
      if (n % NEW_CONNECTION_EVERY === 0) {
        const fresh = this.#connect();
        await this.#timed(this.#tookNew, () => fresh.range({ key: 'good' }, { timeoutMs: TIMEOUT_MS }));
        fresh.close();
      }
      await this.#timed(this.#took, () =>
        this.#client.put({ key: 'good', value: String(n) }, { timeoutMs: TIMEOUT_MS }),
      );
      await this.#timed(this.#took, async () => {
        const { kvs } = await this.#client.range({ key: 'good' }, { timeoutMs: TIMEOUT_MS });
        const value = Buffer.from(kvs[0]?.value ?? '').toString();
        if (value !== String(n)) throw new Error(`read ${value} where ${n} was written`);
      });
      await sleep(PAUSE_MS);
    }
  }

  async #timed(into: number[], request: () => Promise<unknown>): Promise<void> {
    const startMs = performance.now();
    try {
      await request();
    } catch (error) {
      this.#failed.push(String(error));
    }
    into.push(performance.now() - startMs);
  }
}
