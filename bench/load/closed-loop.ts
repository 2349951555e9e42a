/** Load with a fixed number of requests under way: each reply makes room for the next request. */
import { performance } from 'node:perf_hooks';
import type { CallHandler } from './client-stream.ts';
import { CallError } from './client.ts';
import type { Connection } from './connection.ts';
import { Latencies } from './latencies.ts';

export interface LoadRequest<Kind extends string> {
  readonly kind: Kind;
  readonly path: string;
  /** A gRPC frame. */
  readonly body: Uint8Array;
  /** Throws when the reply is not what it has to be. */
  readonly check?: (reply: Uint8Array) => void;
}

export interface ClosedLoop<Kind extends string> {
  readonly connections: readonly Connection[];
  readonly streamsPerConnection: number;
  /** Longer when not every slot has had two replies by then. */
  readonly warmupMs: number;
  /** Longer when there were not as many replies as slots by then. */
  readonly durationMs: number;
  readonly kinds: readonly Kind[];
  /** The next request of a slot: slots are numbered from 0, one for each request that can be under way. */
  readonly next: (slot: number) => LoadRequest<Kind>;
}

export interface LoadResult<Kind extends string> {
  /** Replies per second after the warm-up, all kinds together. */
  readonly perSecond: number;
  /** After the warm-up. */
  readonly latencies: Readonly<Record<Kind, Latencies>>;
  /** Replies from the first to the last, warm-up included: for checks against the server's state. */
  readonly replies: Readonly<Record<Kind, number>>;
}

/** Rejects with the first reply that is an error or fails its check; otherwise every request sent has been answered. */
export async function runClosedLoop<Kind extends string>(loop: ClosedLoop<Kind>): Promise<LoadResult<Kind>> {
  const run = new Run(loop);
  await run.done();
  return run.result();
}

class Run<Kind extends string> {
  readonly loop: ClosedLoop<Kind>;
  readonly #latencies: Record<Kind, Latencies>;
  readonly #replies: Record<Kind, number>;
  readonly #slots: number;
  readonly #startedMs = performance.now();
  /** Both undefined until then. */
  #measuredFromMs: number | undefined;
  #measuredToMs: number | undefined;
  #warmupReplies = 0;
  #measured = 0;
  #underWay = 0;
  #settle: { resolve: () => void; reject: (error: Error) => void } | undefined;

  constructor(loop: ClosedLoop<Kind>) {
    this.loop = loop;
    const entries = <T>(make: () => T) => Object.fromEntries(loop.kinds.map((kind) => [kind, make()]));
    this.#latencies = entries(() => new Latencies()) as Record<Kind, Latencies>;
    this.#replies = entries(() => 0) as Record<Kind, number>;
    this.#slots = loop.connections.length * loop.streamsPerConnection;
  }

  done(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      let slot = 0;
      for (const connection of this.loop.connections) {
        for (let i = 0; i < this.loop.streamsPerConnection; i++) this.#issue(new Slot(this, connection, slot++));
      }
    });
  }

  result(): LoadResult<Kind> {
    const { durationMs } = this.loop;
    const tookMs = (this.#measuredToMs ?? durationMs) - (this.#measuredFromMs ?? 0);
    const perSecond = (this.#measured / tookMs) * 1000;
    return { perSecond, latencies: this.#latencies, replies: this.#replies };
  }

  #issue(slot: Slot<Kind>): void {
    this.#underWay++;
    slot.request = this.loop.next(slot.number);
    slot.answered = false;
    slot.sentMs = performance.now();
    slot.connection.call(slot.request.path, slot.request.body, slot);
  }

  answered(slot: Slot<Kind>, status: number, text: string): void {
    const { kind, path } = slot.request as LoadRequest<Kind>;
    this.#underWay--;
    if (status !== 0 || !slot.answered) {
      this.fail(new CallError(path, status, status === 0 ? 'no answer' : text));
      return;
    }
    const nowMs = performance.now();
    this.#replies[kind]++;
    this.#measure(kind, nowMs, nowMs - slot.sentMs);
    if (this.#measuredToMs === undefined && this.#settle !== undefined) this.#issue(slot);
    else if (this.#underWay === 0) this.#settle?.resolve();
  }

  #measure(kind: Kind, nowMs: number, latencyMs: number): void {
    if (this.#measuredToMs !== undefined) return;
    if (this.#measuredFromMs === undefined) {
      this.#warmupReplies++;
      const warm = nowMs - this.#startedMs >= this.loop.warmupMs && this.#warmupReplies >= 2 * this.#slots;
      if (warm) this.#measuredFromMs = nowMs;
      return;
    }
    this.#measured++;
    this.#latencies[kind].recordMs(latencyMs);
    const over = nowMs - this.#measuredFromMs >= this.loop.durationMs && this.#measured >= this.#slots;
    if (over) this.#measuredToMs = nowMs;
  }

  fail(error: Error): void {
    this.#settle?.reject(error);
    this.#settle = undefined;
  }
}

class Slot<Kind extends string> implements CallHandler {
  readonly collect = true;
  readonly connection: Connection;
  readonly number: number;
  readonly #run: Run<Kind>;
  request: LoadRequest<Kind> | undefined;
  sentMs = 0;
  answered = false;

  constructor(run: Run<Kind>, connection: Connection, number: number) {
    this.#run = run;
    this.connection = connection;
    this.number = number;
  }

  onMessage(message: Uint8Array): void {
    this.answered = true;
    try {
      this.request?.check?.(message);
    } catch (error) {
      this.#run.fail(error instanceof Error ? error : new Error(String(error)));
    }
  }

  onEnd(status: number, text: string): void {
    this.#run.answered(this, status, text);
  }
}
