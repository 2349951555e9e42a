import { setTimeout as sleep } from 'node:timers/promises';
import { type KubeClient, KubeError } from './kube-client.ts';
import { at, type KubeObject } from './kube-object.ts';

export interface ElectionTiming {
  /** A holder that has not renewed for so long has lost. */
  readonly durationMs: number;
  readonly renewMs: number;
}

/**
 * One of those who want to lead, by a coordination Lease, as controllers do it: whoever writes itself into a Lease that is
 * free or has run out by its own clock leads, until it fails to renew for less long than others wait.
 */
export class Contender {
  readonly name: string;
  readonly #client: KubeClient;
  readonly #path: string;
  readonly #lease: string;
  readonly #timing: ElectionTiming;
  #over = false;
  #done: Promise<void> = Promise.resolve();
  #renewedMs = -Infinity;
  /** What was last seen of the Lease, and since when it has not changed, by this contender's own clock. */
  #seen: { readonly version: string; readonly sinceMs: number } | undefined;

  constructor(name: string, client: KubeClient, path: string, lease: string, timing: ElectionTiming) {
    this.name = name;
    this.#client = client;
    this.#path = path;
    this.#lease = lease;
    this.#timing = timing;
  }

  /** Half of the Lease's time: surely before anybody else may take it. */
  get believesToLead(): boolean {
    return !this.#over && performance.now() - this.#renewedMs < this.#timing.durationMs / 2;
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Gives the Lease back. */
  async stop(): Promise<void> {
    const led = this.believesToLead;
    this.#over = true;
    await this.#done;
    if (!led) return;
    const lease = await this.#client.get(`${this.#path}/${this.#lease}`);
    if (at(lease, 'spec.holderIdentity') !== this.name) return;
    await this.#client.replace(`${this.#path}/${this.#lease}`, { ...lease, spec: this.#spec('') });
  }

  /** Without a word. */
  die(): void {
    this.#over = true;
  }

  async #run(): Promise<void> {
    while (!this.#over) {
      const beganMs = performance.now();
      // Whatever goes wrong: it has not won this time, and tries again.
      const won = await this.#tryToLead().catch(() => false);
      // From before the request: the others count from when they see its effect.
      if (won) this.#renewedMs = beganMs;
      await sleep(this.#timing.renewMs);
    }
  }

  async #tryToLead(): Promise<boolean> {
    const lease = await this.#read();
    if (this.#over) return false;
    if (lease === undefined) {
      await this.#client.create(this.#path, { metadata: { name: this.#lease }, spec: this.#spec(this.name) });
      return true;
    }
    const holder = at(lease, 'spec.holderIdentity') ?? '';
    const version = lease.metadata.resourceVersion ?? '';
    if (this.#seen?.version !== version) this.#seen = { version, sinceMs: performance.now() };
    const hasRunOut = performance.now() - this.#seen.sinceMs > this.#timing.durationMs;
    if (holder !== this.name && holder !== '' && !hasRunOut) return false;
    await this.#client.replace(`${this.#path}/${this.#lease}`, { ...lease, spec: this.#spec(this.name) });
    return true;
  }

  async #read(): Promise<KubeObject | undefined> {
    try {
      return await this.#client.get(`${this.#path}/${this.#lease}`);
    } catch (error) {
      if (error instanceof KubeError && error.status === 404) return undefined;
      throw error;
    }
  }

  #spec(holder: string): object {
    const renewTime = new Date().toISOString().replace('Z', '000Z');
    return {
      holderIdentity: holder,
      leaseDurationSeconds: Math.ceil(this.#timing.durationMs / 1000),
      renewTime,
      acquireTime: renewTime,
    };
  }
}
