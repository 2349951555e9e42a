/**
 * Those who want to lead, as controllers do: by a coordination Lease, in the requests of a kube-apiserver and the rules of its client
 * library; or by etcd's election service. Both believe that they lead no longer than the store could: by their own clock, from
 * before the request that renewed it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { KubeStore } from '../../conformance/k8s/kube-store.ts';
import type { ApiStream, RawClient } from '../../support/raw-client.ts';
import { text } from '../../support/values.ts';
import type { Holders } from './holders.ts';

export interface LeaseTimes {
  /** Others take over when the record has not changed for so long. */
  readonly leaseMs: number;
  /** The holder gives up when it could not renew for so long; less than leaseMs. */
  readonly renewDeadlineMs: number;
  readonly retryMs: number;
}

/** Those of Kubernetes' own controllers. */
export const KUBERNETES_TIMES: LeaseTimes = { leaseMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };

export interface Contender {
  readonly name: string;
  /** It leaves in order: what it holds is free at once. */
  stop(): Promise<void>;
  /** It is gone without a word. What it has under way may still happen. */
  kill(): void;
}

interface Record_ {
  /** Empty: free. */
  readonly holder: string;
  readonly renewals: number;
}

/** What both kinds have in common: holding until a deadline of their own, on performance.now(). */
abstract class HoldingContender implements Contender {
  readonly name: string;
  readonly #holders: Holders;
  #deadline: NodeJS.Timeout | undefined;
  #ended: Promise<void> = Promise.resolve();
  #isHolding = false;
  protected isStopped = false;

  constructor(name: string, holders: Holders) {
    this.name = name;
    this.#holders = holders;
  }

  start(): this {
    this.#ended = this.run();
    return this;
  }

  async stop(): Promise<void> {
    const wasHolding = this.#isHolding;
    this.kill();
    await this.#ended;
    if (wasHolding) await this.giveBack();
  }

  kill(): void {
    this.isStopped = true;
    this.release();
    this.abort();
  }

  protected get isHolding(): boolean {
    return this.#isHolding;
  }

  /** Until then, unless prolonged. */
  protected holdUntil(deadlineMs: number): void {
    clearTimeout(this.#deadline);
    const leftMs = deadlineMs - performance.now();
    if (leftMs <= 0 || this.isStopped) {
      this.release();
      return;
    }
    this.#holders.holds(this.name, deadlineMs);
    this.#isHolding = true;
    this.#deadline = setTimeout(() => this.release(), leftMs);
  }

  protected release(): void {
    clearTimeout(this.#deadline);
    this.#isHolding = false;
    this.#holders.released(this.name);
  }

  protected abstract run(): Promise<void>;
  protected abstract giveBack(): Promise<void>;
  protected abort(): void {}
}

export class LeaseContender extends HoldingContender {
  readonly #store: KubeStore;
  readonly #key: string;
  readonly #times: LeaseTimes;
  /** The record as last seen, and when that was first. */
  #seen: { readonly text: string; readonly sinceMs: number } = { text: '', sinceMs: 0 };
  #renewals = 0;

  constructor(name: string, client: RawClient, key: string, times: LeaseTimes, holders: Holders) {
    super(name, holders);
    this.#store = new KubeStore(client);
    this.#key = key;
    this.#times = times;
  }

  protected async run(): Promise<void> {
    while (!this.isStopped) {
      await this.#try().catch(() => {});
      await sleep(this.#times.retryMs);
    }
  }

  protected async giveBack(): Promise<void> {
    const { kv } = await this.#store.get(this.#key);
    if (kv === undefined || recordOf(kv.value).holder !== this.name) return;
    await this.#store.update(this.#key, kv.mod_revision, JSON.stringify({ holder: '', renewals: 0 }));
  }

  async #try(): Promise<void> {
    const { kv } = await this.#store.get(this.#key);
    const nowMs = performance.now();
    if (kv !== undefined) {
      const value = text(kv.value);
      if (value !== this.#seen.text) this.#seen = { text: value, sinceMs: nowMs };
      const { holder } = recordOf(kv.value);
      if (holder !== this.name && this.isHolding) this.release();
      if (holder !== this.name && holder !== '' && nowMs < this.#seen.sinceMs + this.#times.leaseMs) return;
    }
    if (this.isStopped) return;
    const record: Record_ = { holder: this.name, renewals: ++this.#renewals };
    const startedMs = performance.now();
    const { succeeded } = await (kv === undefined
      ? this.#store.create(this.#key, JSON.stringify(record))
      : this.#store.update(this.#key, kv.mod_revision, JSON.stringify(record)));
    if (succeeded) this.holdUntil(startedMs + this.#times.renewDeadlineMs);
  }
}

function recordOf(value: Uint8Array): Record_ {
  return JSON.parse(text(value)) as Record_;
}

const CALL_TIMEOUT_MS = 2000;

export class ElectionContender extends HoldingContender {
  readonly #client: RawClient;
  readonly #election: string;
  readonly #ttlS: number;
  #lease = 0n;
  #abort = new AbortController();

  constructor(name: string, client: RawClient, election: string, ttlS: number, holders: Holders) {
    super(name, holders);
    this.#client = client;
    this.#election = election;
    this.#ttlS = ttlS;
  }

  protected async run(): Promise<void> {
    while (!this.isStopped) {
      await this.#candidacy().catch(() => {});
      this.release();
      if (!this.isStopped) await sleep(200);
    }
  }

  protected async giveBack(): Promise<void> {
    await this.#client.leaseRevoke(this.#lease);
  }

  protected override abort(): void {
    this.#abort.abort();
  }

  /** From a new lease until it may have ended. */
  async #candidacy(): Promise<void> {
    let deadlineMs = performance.now() + this.#ttlS * 1000;
    const { ID } = await this.#client.leaseGrant({ TTL: this.#ttlS }, { timeoutMs: CALL_TIMEOUT_MS });
    this.#lease = ID;
    let elected = false;
    const ended = new AbortController();
    const campaign = this.#campaign(ID, ended.signal).then(
      () => {
        elected = true;
        if (!ended.signal.aborted) this.holdUntil(deadlineMs);
      },
      () => ended.abort(),
    );
    const renewals = this.#client.leaseKeepAlive();
    try {
      while (!this.isStopped && !ended.signal.aborted && performance.now() < deadlineMs) {
        deadlineMs = await this.#renew(renewals, ID, deadlineMs);
        if (elected) this.holdUntil(deadlineMs);
        await Promise.race([sleep((this.#ttlS * 1000) / 5), aborted(this.#abort.signal)]);
      }
    } finally {
      renewals.cancel();
      ended.abort();
      await campaign;
    }
  }

  /** The lease's new deadline, or the old one. */
  async #renew(
    renewals: ApiStream<{ ID?: bigint | number | string }, { readonly TTL: bigint }>,
    id: bigint,
    deadlineMs: number,
  ): Promise<number> {
    const sentMs = performance.now();
    renewals.send({ ID: id });
    const { TTL } = await renewals.next(Math.max(1, deadlineMs - sentMs));
    if (TTL <= 0n) throw new Error('the lease has ended');
    return sentMs + this.#ttlS * 1000;
  }

  /** Resolves when elected; rejects when `signal` is aborted. */
  async #campaign(lease: bigint, signal: AbortSignal): Promise<void> {
    const request = { name: this.#election, lease, value: this.name };
    const call = this.#client.serverStream<unknown>('v3electionpb.Election', 'Campaign', request);
    signal.addEventListener('abort', () => call.cancel());
    await call.next(600_000);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
