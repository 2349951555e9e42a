import { ApiServer } from './api-server.ts';
import { Errors } from './errors.ts';
import { Figures } from './figures.ts';
import { Findings } from './findings.ts';
import { Ledger } from './ledger.ts';
import { Pace } from './pace.ts';
import { RESOURCES } from './resources.ts';

export interface ModelOptions {
  /** Of each API server: as the gRPC client takes it. */
  readonly endpoints: readonly string[];
  readonly workers: number;
  readonly compactEveryMs: number;
  readonly random: () => number;
}

/** Several API servers on one store, and all that is known of the store's answers. */
export class Model {
  readonly figures = new Figures();
  readonly findings = new Findings();
  readonly errors = new Errors(this.findings, this.figures);
  readonly #ledgers = new Map(RESOURCES.map((type) => [type, new Ledger(type.name, this.findings)]));
  readonly #servers: readonly ApiServer[];
  #upkeep: NodeJS.Timeout | undefined;

  constructor({ endpoints, workers, compactEveryMs, random }: ModelOptions) {
    const context = { figures: this.figures, findings: this.findings, errors: this.errors };
    this.#servers = endpoints.map(
      (endpoint, i) =>
        new ApiServer({ number: i + 1, endpoint, ledgers: this.#ledgers, context, random, workers, compactEveryMs }),
    );
  }

  get connections(): number {
    return this.#servers.length * (RESOURCES.length + 1);
  }

  /** Changes that watches delivered and that were held against all that is known. */
  get checkedEvents(): number {
    return [...this.#ledgers.values()].reduce((sum, { checked }) => sum + checked, 0);
  }

  async start(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.start()));
    this.#upkeep = setInterval(() => {
      const nowMs = performance.now();
      for (const ledger of this.#ledgers.values()) ledger.forgetOld(nowMs);
      for (const server of this.#servers) server.checkLeases();
    }, UPKEEP_EVERY_MS);
  }

  /** Traffic at up to `perSecond` writes, all API servers together, while `body` runs; then every cache has to catch up. */
  async traffic(perSecond: number, body: () => Promise<void>): Promise<void> {
    const began = performance.now();
    const pace = new Pace(perSecond);
    for (const server of this.#servers) server.beginTraffic(pace);
    await body();
    this.figures.seconds += (performance.now() - began) / 1000;
    await Promise.all(this.#servers.map((server) => server.endTraffic()));
    for (const server of this.#servers) await server.catchUp(CATCH_UP_MS);
  }

  /** Whether the records of all API servers have ended with their leases, as nobody renews them. */
  async masterLeasesEnded(): Promise<boolean> {
    const left = await Promise.all(this.#servers.map((server) => server.masterLease()));
    return left.every((count) => count === 0);
  }

  async stop(): Promise<void> {
    clearInterval(this.#upkeep);
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}

const UPKEEP_EVERY_MS = 1_000;
const CATCH_UP_MS = 60_000;
