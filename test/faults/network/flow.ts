import type { Socket } from 'node:net';
import type { Random } from '../../../src/base/random.ts';
import { CLEAR, type LinkCondition } from './network.ts';

/** More than this is not held for a reader that is slow or cut off: then the sender has to wait, as TCP makes it. */
const HELD_BYTES_MAX = 1024 * 1024;
/** As long as TCP takes to send a lost piece again. */
const RETRANSMIT_MS = 200;
const RETRANSMIT_JITTER_MS = 400;

/** All bytes from one party to another, over however many connections. */
export class Flow {
  readonly #random: Random;
  readonly #pipes = new Set<Pipe>();
  #condition: LinkCondition = CLEAR;

  constructor(random: Random) {
    this.#random = random;
  }

  get condition(): LinkCondition {
    return this.#condition;
  }

  set condition(condition: LinkCondition) {
    this.#condition = condition;
    if (condition.blocked !== undefined) return;
    for (const pipe of this.#pipes) pipe.unblocked();
  }

  get blocked(): boolean {
    return this.#condition.blocked !== undefined;
  }

  /** Carries what `source` says to `sink`, and its end. */
  join(source: Socket, sink: Socket): void {
    const pipe = new Pipe(this, source, sink, () => this.#pipes.delete(pipe));
    this.#pipes.add(pipe);
  }

  /** How long a piece of `bytes` is under way. */
  transitMs(bytes: number): number {
    const { delayMs = 0, jitterMs = 0, bytesPerSecond, lossChance = 0 } = this.#condition;
    const sendMs = bytesPerSecond === undefined ? 0 : (bytes / bytesPerSecond) * 1000;
    const isLost = lossChance > 0 && this.#random.fraction() < lossChance;
    const againMs = isLost ? RETRANSMIT_MS + this.#random.fraction() * RETRANSMIT_JITTER_MS : 0;
    return sendMs + delayMs + this.#random.fraction() * jitterMs + againMs;
  }
}

interface Piece {
  readonly dueMs: number;
  /** `end`: no more follows; `reset`: the connection broke. */
  readonly content: Buffer | 'end' | 'reset';
}

/** One direction of one connection. */
class Pipe {
  readonly #flow: Flow;
  readonly #source: Socket;
  readonly #sink: Socket;
  readonly #gone: () => void;
  readonly #pieces: Piece[] = [];
  #heldBytes = 0;
  #lastDueMs = 0;
  /** Bytes were lost: what comes after them must not arrive. */
  #torn = false;
  #timer: NodeJS.Timeout | undefined;
  #draining = false;

  constructor(flow: Flow, source: Socket, sink: Socket, gone: () => void) {
    this.#flow = flow;
    this.#source = source;
    this.#sink = sink;
    this.#gone = gone;
    source.on('data', (chunk: Buffer) => this.#take(chunk));
    source.on('end', () => this.#take('end'));
    source.on('close', (hadError) => this.#take(hadError ? 'reset' : 'end'));
    sink.on('drain', () => {
      this.#draining = false;
      this.#pump();
    });
    sink.on('close', gone);
  }

  unblocked(): void {
    if (this.#torn) this.#break();
    else this.#pump();
  }

  #take(content: Piece['content']): void {
    const bytes = typeof content === 'string' ? 0 : content.length;
    if (this.#flow.condition.blocked === 'drop') {
      this.#torn = true;
      return;
    }
    if (this.#torn) return;
    const dueMs = Math.max(this.#lastDueMs, performance.now()) + this.#transitMs(bytes);
    this.#lastDueMs = dueMs;
    this.#pieces.push({ dueMs, content });
    this.#heldBytes += bytes;
    if (this.#heldBytes > HELD_BYTES_MAX) this.#source.pause();
    this.#pump();
  }

  /** Delay is not added up over pieces that are under way together; the time to send them is. */
  #transitMs(bytes: number): number {
    const transitMs = this.#flow.transitMs(bytes);
    const { delayMs = 0 } = this.#flow.condition;
    return this.#pieces.length > 0 ? Math.max(0, transitMs - delayMs) : transitMs;
  }

  #pump(): void {
    for (;;) {
      const piece = this.#pieces[0];
      if (piece === undefined || this.#flow.blocked || this.#draining) return;
      const waitMs = piece.dueMs - performance.now();
      if (waitMs > 0) {
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.#pump(), waitMs);
        return;
      }
      this.#pieces.shift();
      this.#deliver(piece.content);
    }
  }

  #deliver(content: Piece['content']): void {
    if (content === 'reset') return this.#break();
    if (content === 'end') {
      this.#sink.end();
      return;
    }
    this.#heldBytes -= content.length;
    if (this.#source.isPaused() && this.#heldBytes <= HELD_BYTES_MAX) this.#source.resume();
    if (!this.#sink.destroyed) this.#draining = !this.#sink.write(content);
  }

  #break(): void {
    clearTimeout(this.#timer);
    this.#source.resetAndDestroy();
    this.#sink.resetAndDestroy();
    this.#gone();
  }
}
