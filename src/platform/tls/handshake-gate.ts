/**
 * Lets handshakes begin one by one, between which everything else gets its turn: a server's part in one takes a millisecond or
 * so of the thread that serves all clients, and is done when the first message of the client has come. So that message is
 * waited for here, where it costs nothing; then those who connect from different addresses take turns.
 */
import type { Socket } from 'node:net';

/** Handshakes under way: what is left of them takes little time, but each takes memory. */
const RUNNING_MAX = 256;
/** Connections whose first message has come, and those of which it has not. */
const QUEUED_MAX = 2048;
const SILENT_MAX = 4096;
/** For the first message to come, and to come to its turn. */
const WAIT_MS = 10_000;
/** Handshakes that began and were never heard of again. */
const RUN_MS = 20_000;
/** How long beginning handshakes may hold up others, once in each turn of the event loop. */
const TURN_MS = 2;

const RECORD_HEAD_BYTES = 5;
const RECORD_HANDSHAKE = 0x16;
const RECORD_BYTES_MAX = 16 * 1024;

export interface HandshakeGateOptions {
  /** Begins the handshake; what has come is in the socket again. */
  readonly begin: (socket: Socket) => void;
  /** It was closed without one. */
  readonly onDropped: (socket: Socket, reason: string) => void;
}

export class HandshakeGate {
  readonly #options: HandshakeGateOptions;
  /** In the order in which they came. */
  readonly #silent = new Map<Socket, () => void>();
  /** By address; no list is empty. The first address is the next. */
  readonly #queued = new Map<string, Socket[]>();
  #queuedCount = 0;
  readonly #running = new Map<Socket, NodeJS.Timeout>();
  #isPumping = false;

  constructor(options: HandshakeGateOptions) {
    this.#options = options;
  }

  /** Connections here, at whatever stage. */
  get size(): number {
    return this.#silent.size + this.#queuedCount + this.#running.size;
  }

  accept(socket: Socket): void {
    if (this.#silent.size >= SILENT_MAX) this.#dropOldestSilent();
    let head: Buffer = Buffer.alloc(0);
    const timer = setTimeout(() => this.#drop(socket, 'TLS handshake timeout'), WAIT_MS).unref();
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes !== null) head = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
      if (isComplete(head)) goOn();
    };
    const forget = (): void => {
      clearTimeout(timer);
      this.#silent.delete(socket);
      socket.off('readable', onReadable).off('end', goOn).off('error', onError);
    };
    // Also when nothing more will come: the handshake fails then, for the reason that there is.
    const goOn = (): void => {
      forget();
      if (socket.destroyed) return;
      if (head.length > 0) socket.unshift(head);
      this.#enqueue(socket);
    };
    const onError = (error: Error): void => {
      forget();
      socket.destroy();
      this.#options.onDropped(socket, error.message);
    };
    this.#silent.set(socket, forget);
    socket.on('readable', onReadable).on('end', goOn).on('error', onError);
  }

  /** The handshake of the connection is over, one way or the other. */
  over(socket: Socket): void {
    const timer = this.#running.get(socket);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#running.delete(socket);
    this.#pumpLater();
  }

  #enqueue(socket: Socket): void {
    if (this.#queuedCount >= QUEUED_MAX) this.#dropOfMost();
    const address = socket.remoteAddress ?? '';
    const list = this.#queued.get(address) ?? [];
    list.push(socket);
    this.#queued.set(address, list);
    this.#queuedCount++;
    // Errors until it begins: it is found destroyed then.
    socket.on('error', ignore);
    this.#pumpLater();
  }

  #pumpLater(): void {
    if (this.#isPumping || this.#queuedCount === 0) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      const startMs = performance.now();
      while (this.#running.size < RUNNING_MAX && this.#queuedCount > 0) {
        this.#beginNext();
        if (performance.now() - startMs > TURN_MS) break;
      }
      if (this.#running.size < RUNNING_MAX) this.#pumpLater();
    });
  }

  #beginNext(): void {
    const [entry] = this.#queued;
    if (entry === undefined) return;
    const [address, list] = entry;
    const socket = list.shift();
    this.#queued.delete(address);
    // Behind the other addresses.
    if (list.length > 0) this.#queued.set(address, list);
    if (socket === undefined) return;
    this.#queuedCount--;
    if (socket.destroyed) return;
    socket.off('error', ignore);
    this.#running.set(socket, setTimeout(() => this.over(socket), RUN_MS).unref());
    socket.once('close', () => this.over(socket));
    this.#options.begin(socket);
  }

  #drop(socket: Socket, reason: string): void {
    this.#silent.get(socket)?.();
    socket.on('error', ignore);
    socket.destroy();
    this.#options.onDropped(socket, reason);
  }

  #dropOldestSilent(): void {
    const [oldest] = this.#silent.keys();
    if (oldest !== undefined) this.#drop(oldest, 'too many connections that say nothing');
  }

  /** The oldest of the address with the most. */
  #dropOfMost(): void {
    let most: readonly [string, Socket[]] | undefined;
    for (const entry of this.#queued) if (most === undefined || entry[1].length > most[1].length) most = entry;
    const oldest = most?.[1].shift();
    if (most === undefined || oldest === undefined) return;
    this.#queuedCount--;
    if (most[1].length === 0) this.#queued.delete(most[0]);
    oldest.destroy();
    this.#options.onDropped(oldest, 'too many handshakes');
  }
}

/** The first record, or what is none. */
function isComplete(head: Buffer): boolean {
  if (head.length === 0) return false;
  if (head[0] !== RECORD_HANDSHAKE) return true;
  if (head.length < RECORD_HEAD_BYTES) return false;
  const length = head.readUInt16BE(3);
  return length > RECORD_BYTES_MAX || head.length >= RECORD_HEAD_BYTES + length;
}

function ignore(): void {}
