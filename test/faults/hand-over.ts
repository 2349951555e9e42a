/** How long a cluster takes no writes when its leader goes: told to stop, or killed. */
import { setTimeout as sleep } from 'node:timers/promises';
import { RawClient, RpcError } from '../support/raw-client.ts';
import type { FaultCluster, Member } from './cluster.ts';

export interface HandOver {
  /** From the signal to the first answer to a write that came from another term. */
  readonly nextTermMs: number;
  /** The longest time without an answer to any write, around the signal. */
  readonly gapMs: number;
  /** How long after the signal the last write was begun that failed; undefined when none did. */
  readonly lastFailureMs: number | undefined;
  readonly failures: readonly string[];
}

const BEFORE_MS = 500;
const AFTER_MS = 700;
const NEXT_TERM_MAX_MS = 60_000;
const PATIENCE_MS = 10_000;
const PAUSE_MS = 10;

interface Answered {
  readonly calledMs: number;
  readonly atMs: number;
  readonly term: bigint;
}

interface Failed {
  readonly calledMs: number;
  readonly atMs: number;
  readonly error: string;
}

/**
 * A write every few milliseconds through one member after the other, whatever became of those before: a write that a dying
 * leader took with it is waited for until the server gives up, and must not keep others from being tried.
 */
class Writers {
  readonly answered: Answered[] = [];
  readonly failed: Failed[] = [];
  readonly #all: readonly RawClient[];
  /** That are tried. */
  readonly #clients: RawClient[];
  readonly #running: Promise<void>;
  #stopped = false;

  constructor(members: readonly Member[]) {
    this.#all = members.map(({ address }) => new RawClient(address.directEndpoint));
    this.#clients = [...this.#all];
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    // What a dying leader took with it is not waited for.
    for (const client of this.#all) client.close();
  }

  async #run(): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      void this.#write(this.#clients[i % this.#clients.length] as RawClient, i);
      await sleep(PAUSE_MS);
    }
  }

  async #write(client: RawClient, i: number): Promise<void> {
    const calledMs = performance.now();
    try {
      const { header } = await client.put({ key: `w${i % 100}`, value: String(i) }, { timeoutMs: PATIENCE_MS });
      this.answered.push({ calledMs, atMs: performance.now(), term: header.raft_term });
    } catch (error) {
      if (!(error instanceof RpcError)) throw error;
      if (this.#stopped) return;
      this.failed.push({ calledMs, atMs: performance.now(), error: error.message.replace(/(ECONNREFUSED).*/, '$1') });
      // As a client's balancer does it: that member is out for now.
      const at = this.#clients.indexOf(client);
      if (at >= 0 && this.#clients.length > 1 && isGone(error)) this.#clients.splice(at, 1);
    }
  }
}

function isGone({ message }: RpcError): boolean {
  return /ECONNREFUSED|ECONNRESET|Connection dropped|No connection established|server stopped/.test(message);
}

/** Sends the leader a signal under load; it is back, and all is calm, when this resolves. */
export async function measureHandOver(cluster: FaultCluster, signal: 'SIGTERM' | 'SIGKILL'): Promise<HandOver> {
  const leader = await cluster.leader();
  const writers = new Writers(cluster.members);
  await sleep(BEFORE_MS);
  const term = writers.answered.at(-1)?.term ?? 0n;
  const beganMs = performance.now();
  leader.server?.signal(signal);
  let next: Answered | undefined;
  while (next === undefined && performance.now() < beganMs + NEXT_TERM_MAX_MS) {
    await sleep(1);
    next = writers.answered.findLast((answer) => answer.term > term);
  }
  next = writers.answered.find((answer) => answer.term > term);
  await sleep(AFTER_MS);
  await writers.stop();
  await leader.server?.exited();
  await cluster.restart(leader);
  await cluster.leader();
  if (next === undefined) throw new Error(`no write was answered ${NEXT_TERM_MAX_MS} ms after ${signal} of the leader`);
  const answers = writers.answered.map(({ atMs }) => atMs).toSorted((a, b) => a - b);
  const times = answers.filter((atMs) => atMs > beganMs - BEFORE_MS);
  const gaps = times.slice(1).map((atMs, i) => atMs - (times[i] ?? atMs));
  const failures = writers.failed.filter(({ atMs }) => atMs > beganMs).toSorted((a, b) => a.calledMs - b.calledMs);
  return {
    nextTermMs: next.atMs - beganMs,
    gapMs: Math.max(...gaps),
    lastFailureMs: failures.length === 0 ? undefined : Math.max(0, (failures.at(-1)?.calledMs ?? 0) - beganMs),
    failures: failures.map(({ error }) => error),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? NaN;
}

export function shownHandOvers(handOvers: readonly HandOver[]): string {
  const list = (pick: (handOver: HandOver) => number): string =>
    handOvers.map((each) => pick(each).toFixed(0)).join(' ');
  return (
    `without an answer for ${list((each) => each.gapMs)} ms (median ${median(handOvers.map((each) => each.gapMs)).toFixed(0)}), ` +
    `next term after ${list((each) => each.nextTermMs)} ms, last failed write begun after ${list((each) => each.lastFailureMs ?? 0)} ms`
  );
}
