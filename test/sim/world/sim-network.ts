/**
 * What goes between machines. So far between clients and members only: every message takes its time, those of one stream
 * stay in order, and a connection breaks when the process at its end dies.
 */
import { EtcdError, etcdError } from '../../../src/base/etcd-error.ts';
import type { Random } from '../../../src/base/random.ts';
import { DEFAULT_WATCH_HUB_OPTIONS } from '../../../src/watch/watch-hub.ts';
import { SimContext, SimStream } from './calls.ts';
import type { Marks } from './marks.ts';
import type { Scheduler } from './scheduler.ts';
import type { SimNode, SimProcess } from './sim-node.ts';
import { Violation } from './violation.ts';

/** How a client learns that nobody listens, or nobody does any more. */
const BROKEN_AFTER_MS = 5;
const NOTHING: Uint8Array = new Uint8Array(0);

export type Outcome =
  | { readonly kind: 'reply'; readonly bytes: Uint8Array }
  | { readonly kind: 'error'; readonly error: EtcdError }
  /** The server never saw it. */
  | { readonly kind: 'refused' }
  /** Whatever came of it. */
  | { readonly kind: 'unknown' };

/** What the caller is told while a unary call is under way. */
export interface CallWatcher {
  /** It reached the server. */
  arrived(): void;
  /** The server has answered; the answer is on its way. */
  answered(): void;
}

export interface StreamClient {
  message(bytes: Uint8Array): void;
  /** The server ended it; `undefined`: with OK. */
  ended(error: EtcdError | undefined): void;
  /** The connection is gone. */
  broken(): void;
}

/** The client's side of a stream. */
export interface ClientStream {
  send(message: Uint8Array): void;
  halfClose(): void;
  /** Goes away, and tells the server. */
  cancel(): void;
  /** While not reading, the server's messages pile up on its side. */
  setReading(reading: boolean): void;
}

export class SimNetwork {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #delayMs: number;
  readonly #backlogWeight: number;
  readonly #marks: Marks;

  constructor(scheduler: Scheduler, random: Random, marks: Marks, delayMs: number, backlogWeight: number) {
    this.#scheduler = scheduler;
    this.#marks = marks;
    this.#random = random;
    this.#delayMs = delayMs;
    this.#backlogWeight = backlogWeight;
  }

  delayMs(): number {
    return this.#delayMs * (0.2 + 1.6 * this.#random.fraction());
  }

  /** Sends a request and waits for what becomes of it. */
  call(node: SimNode, path: string, request: Uint8Array, watcher: CallWatcher): Promise<Outcome> {
    return new Promise((resolve) => {
      const arrive = (): void => {
        const process = node.serving;
        if (process === undefined) {
          this.#scheduler.after(BROKEN_AFTER_MS, 'request refused', () => resolve({ kind: 'refused' }));
          return;
        }
        watcher.arrived();
        this.#serve(process, path, request, watcher, resolve);
      };
      this.#scheduler.after(this.delayMs(), 'request arrives', arrive, node.machine);
    });
  }

  /** undefined when nobody listens. `request`: where the client has but one message to send. */
  openStream(node: SimNode, path: string, client: StreamClient, request = NOTHING): ClientStream | undefined {
    const process = node.serving;
    if (process === undefined) return undefined;
    return new Connection({
      scheduler: this.#scheduler,
      marks: this.#marks,
      delayMs: () => this.delayMs(),
      backlogWeight: this.#backlogWeight,
      process,
      path,
      request,
      client,
    });
  }

  #serve(
    process: SimProcess,
    path: string,
    request: Uint8Array,
    watcher: CallWatcher,
    resolve: (outcome: Outcome) => void,
  ): void {
    let over = false;
    const context = new SimContext(path);
    const forget = process.onDeath(() => {
      if (over) return;
      over = true;
      context.cancel();
      this.#scheduler.after(BROKEN_AFTER_MS, 'call broken', () => resolve({ kind: 'unknown' }));
    });
    const settle = (outcome: Outcome): void => {
      if (over || !process.alive) return;
      over = true;
      forget();
      watcher.answered();
      this.#scheduler.at(process.node.machine.nowMs + this.delayMs(), 'reply arrives', () => resolve(outcome));
    };
    const failed = (error: unknown): void => {
      if (error instanceof EtcdError) settle({ kind: 'error', error });
      else if (process.mayFailWith(error)) settle({ kind: 'unknown' });
      else process.fail(asViolation(path, error));
    };
    const method = process.services.find(path);
    if (method?.kind !== 'unary') throw new Error(`${path} is not a unary method`);
    if (process.isLearner && !method.isServedByLearner(request)) return failed(etcdError('NotSupportedForLearner'));
    process.busy(1);
    const answered = (reply: Reply): void => settle({ kind: 'reply', bytes: whole(reply) });
    try {
      const reply = method.handler(context, request);
      if (!(reply instanceof Promise)) {
        process.busy(-1);
        answered(reply);
        return;
      }
      reply.then(answered, failed).finally(() => process.busy(-1));
    } catch (error) {
      process.busy(-1);
      failed(error);
    }
  }
}

/** A long answer comes in pieces. */
type Reply = Uint8Array | { readonly pieces: readonly Uint8Array[] };

function whole(reply: Reply): Uint8Array {
  return 'pieces' in reply ? Buffer.concat(reply.pieces) : reply;
}

function asViolation(path: string, error: unknown): Violation {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Violation('internal error', `${path} failed with ${text}`);
}

interface ConnectionParts {
  readonly scheduler: Scheduler;
  readonly marks: Marks;
  readonly delayMs: () => number;
  readonly backlogWeight: number;
  readonly process: SimProcess;
  readonly path: string;
  readonly request: Uint8Array;
  readonly client: StreamClient;
}

class Connection implements ClientStream {
  readonly #parts: ConnectionParts;
  readonly #server: SimStream;
  readonly #forget: () => void;
  #open = true;
  #reading = true;
  #delivering = false;
  #end: { readonly error: EtcdError | undefined } | undefined;
  /** Messages of one direction do not overtake each other. */
  #lastToServerMs = 0;

  constructor(parts: ConnectionParts) {
    const { process, path, request, backlogWeight, marks } = parts;
    this.#parts = parts;
    const exit = {
      filled: (backlogBytes: number) => {
        if (backlogBytes > DEFAULT_WATCH_HUB_OPTIONS.streamBacklogBytesMax) marks.hit('watchStalled');
        this.#deliver();
      },
      ended: (error: EtcdError | undefined) => {
        this.#end = { error };
        this.#deliver();
      },
    };
    this.#server = new SimStream(path, backlogWeight, exit, () => process.alive);
    this.#forget = process.onDeath(() => this.#break());
    const method = process.services.find(path);
    if (method === undefined || method.kind === 'unary') throw new Error(`${path} is not a stream`);
    this.#toServer(() => {
      const isRefused = process.isLearner && !method.isServedByLearner(request);
      if (isRefused) this.#server.fail(etcdError('NotSupportedForLearner'));
      else if (method.kind === 'bidi_stream') void method.handler(this.#server);
      else this.#serve(method.handler(this.#server, request));
    });
  }

  send(message: Uint8Array): void {
    this.#toServer(() => this.#server.receive(message));
  }

  halfClose(): void {
    this.#toServer(() => this.#server.halfClose());
  }

  cancel(): void {
    this.#toServer(() => this.#server.ctx.cancel());
    this.#close();
  }

  setReading(reading: boolean): void {
    this.#reading = reading;
    if (reading) this.#deliver();
  }

  /** The process is not done with its calls before the handler is. */
  #serve(served: void | Promise<void>): void {
    const { process } = this.#parts;
    process.busy(1);
    const failed = (error: unknown): void => {
      if (error instanceof EtcdError) this.#server.fail(error);
      else if (process.mayFailWith(error)) this.#break();
      else process.fail(asViolation('a stream', error));
    };
    void Promise.resolve(served)
      .catch(failed)
      .finally(() => process.busy(-1));
  }

  #toServer(run: () => void): void {
    const { scheduler, delayMs, process } = this.#parts;
    this.#lastToServerMs = Math.max(this.#lastToServerMs, scheduler.nowMs + delayMs());
    const arrive = (): void => {
      if (process.alive && !this.#server.ctx.cancelled) run();
    };
    scheduler.at(this.#lastToServerMs, 'stream to server', arrive, process.node.machine);
  }

  /** One message after the other to the client, while it reads. */
  #deliver(): void {
    const idle = this.#server.queue.length === 0 && this.#end === undefined;
    if (this.#delivering || !this.#open || !this.#reading || idle) return;
    this.#delivering = true;
    const { scheduler, delayMs, client, process } = this.#parts;
    scheduler.at(process.node.machine.nowMs + delayMs(), 'stream to client', () => {
      this.#delivering = false;
      if (!this.#open || !this.#reading) return;
      const message = this.#server.take();
      if (message !== undefined) client.message(message);
      else if (this.#end !== undefined) {
        const { error } = this.#end;
        this.#close();
        client.ended(error);
        return;
      }
      this.#deliver();
    });
  }

  #break(): void {
    if (!this.#open) return;
    this.#close();
    this.#server.ctx.cancel();
    const { scheduler, client } = this.#parts;
    scheduler.after(BROKEN_AFTER_MS, 'stream broken', () => client.broken());
  }

  #close(): void {
    this.#open = false;
    this.#forget();
  }
}
