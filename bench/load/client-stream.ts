import { GRPC_PREFIX_BYTES } from './grpc-frame.ts';

/** Hears of one call; nothing after onEnd. */
export interface CallHandler {
  /** An encoded response; valid during the call only. Without `collect` its bytes are empty. */
  onMessage(message: Uint8Array, lengthBytes: number): void;
  /** grpc-status; -1 with a reason when the call ended without one. */
  onEnd(status: number, text: string): void;
  /** Whether messages that come in pieces are put together, which costs a copy. */
  readonly collect: boolean;
}

const NOTHING = Buffer.alloc(0);

/** One call of a connection: puts its response messages together. */
export class ClientStream {
  readonly id: number;
  readonly handler: CallHandler;
  sendWindow: number;
  /** Received since the stream's last WINDOW_UPDATE. */
  #consumed = 0;
  /** The message that is under way: its prefix first, then its bytes. */
  readonly #prefix = Buffer.alloc(GRPC_PREFIX_BYTES);
  #prefixLength = 0;
  #message: Buffer = NOTHING;
  #messageLength = 0;
  #messageAt = 0;

  constructor(id: number, handler: CallHandler, sendWindow: number) {
    this.id = id;
    this.handler = handler;
    this.sendWindow = sendWindow;
  }

  takeConsumed(): number {
    const consumed = this.#consumed;
    this.#consumed = 0;
    return consumed;
  }

  /** Returns the bytes received since takeConsumed(). */
  consume(data: Buffer): number {
    this.#consumed += data.length;
    let at = 0;
    while (at < data.length) {
      if (this.#prefixLength < GRPC_PREFIX_BYTES) {
        at = this.#takePrefix(data, at);
        if (this.#prefixLength < GRPC_PREFIX_BYTES) break;
        if (this.#takeWhole(data, at)) {
          at += this.#messageLength;
          continue;
        }
      }
      at = this.#takePiece(data, at);
    }
    return this.#consumed;
  }

  #takePrefix(data: Buffer, at: number): number {
    const taken = data.copy(this.#prefix, this.#prefixLength, at);
    this.#prefixLength += taken;
    if (this.#prefixLength === GRPC_PREFIX_BYTES) {
      if (this.#prefix[0] !== 0) throw new Error('a compressed message, which nobody asked for');
      this.#messageLength = this.#prefix.readUInt32BE(1);
      this.#messageAt = 0;
    }
    return at + taken;
  }

  /** The usual case: all of the message is in this frame. */
  #takeWhole(data: Buffer, at: number): boolean {
    const end = at + this.#messageLength;
    if (end > data.length) {
      this.#message = this.handler.collect ? Buffer.allocUnsafeSlow(this.#messageLength) : NOTHING;
      return false;
    }
    this.#prefixLength = 0;
    this.handler.onMessage(this.handler.collect ? data.subarray(at, end) : NOTHING, this.#messageLength);
    return true;
  }

  #takePiece(data: Buffer, at: number): number {
    const length = Math.min(data.length - at, this.#messageLength - this.#messageAt);
    if (this.handler.collect) data.copy(this.#message, this.#messageAt, at, at + length);
    this.#messageAt += length;
    if (this.#messageAt === this.#messageLength) {
      this.#prefixLength = 0;
      this.handler.onMessage(this.#message, this.#messageLength);
      this.#message = NOTHING;
    }
    return at + length;
  }
}
