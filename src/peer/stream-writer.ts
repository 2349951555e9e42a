/**
 * One stream that this member writes and a peer reads, over whichever connection the peer dialed last (etcd-behaviour §9.2).
 * Messages queue while the connection is busy; all that came meanwhile leaves in one piece.
 */
import type { ServerResponse } from 'node:http';
import { MessageType, type Message } from '../gen/raftpb.ts';
import { FrameBuffer } from './codec/frame-buffer.ts';
import { MessageEncoder } from './codec/message-codec.ts';
import { MsgAppEncoder } from './codec/msgapp-codec.ts';
import type { StreamEncoder } from './codec/stream-codec.ts';
import { hexId } from './headers.ts';
import type { PeerContext } from './peer-context.ts';
import { SendQueue } from './send-queue.ts';
import type { StreamKind } from './stream-reader.ts';

/** Of one piece; a larger message is a piece of its own. */
const PIECE_BYTES = 256 << 10;
/** Given to the connection and not yet taken by the kernel; beyond, messages wait in the queue. */
const UNWRITTEN_BYTES_MAX = 1 << 20;

/** One connection, from the peer's dial to its end. */
interface Connection {
  readonly response: ServerResponse;
  readonly encoder: StreamEncoder;
  unwrittenBytes: number;
  /** When the oldest write that is not done yet was made; undefined if there is none. */
  stalledSince: number | undefined;
  cancelHeartbeat: () => void;
}

export class StreamWriter {
  readonly #context: PeerContext;
  readonly #peer: bigint;
  readonly #kind: StreamKind;
  readonly #queue: SendQueue;
  #connection: Connection | undefined;

  constructor(context: PeerContext, peer: bigint, kind: StreamKind) {
    this.#context = context;
    this.#peer = peer;
    this.#kind = kind;
    this.#queue = new SendQueue(context.limits.streamMessagesMax, context.limits.streamBytesMax);
  }

  /** Whether a connection stands, so that messages may be given to it. */
  get isUp(): boolean {
    return this.#connection !== undefined;
  }

  get queued(): number {
    return this.#queue.size;
  }

  /** The peer dialed: what is written goes to this response now. A connection from before ends. */
  attach(response: ServerResponse): void {
    this.#detach('the peer dialed again');
    const encoder = this.#kind === 'msgapp' ? new MsgAppEncoder() : new MessageEncoder();
    const connection = { response, encoder, unwrittenBytes: 0, stalledSince: undefined, cancelHeartbeat: () => {} };
    this.#connection = connection;
    response.on('close', () => {
      if (this.#connection === connection) this.#detach('the connection ended');
    });
    response.on('error', () => response.destroy());
    response.flushHeaders();
    this.#armHeartbeat(connection);
    this.#context.logger.info('stream to peer established', { 'peer-id': hexId(this.#peer), stream: this.#kind });
  }

  /** False if the queue is full. The message leaves with flush(). */
  push(message: Message): boolean {
    return this.#queue.push(message);
  }

  /** Writes what waits, as far as the connection takes it. */
  flush(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    while (this.#queue.size > 0 && connection.unwrittenBytes < UNWRITTEN_BYTES_MAX) {
      const { messages, bytes } = this.#queue.take(PIECE_BYTES);
      const out = new FrameBuffer(bytes);
      for (const message of messages) connection.encoder.encode(message, out);
      this.#write(connection, out.finish());
    }
  }

  /** Ends the connection once what is queued has left, or after a moment. */
  stop(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    // Whatever the connection holds already, this is the last chance.
    connection.unwrittenBytes = 0;
    this.flush();
    this.#connection = undefined;
    this.#queue.clear();
    connection.cancelHeartbeat();
    const { response } = connection;
    const cancel = this.#context.clock.after(this.#context.timing.lingerMs, () => response.destroy());
    response.once('close', cancel);
    response.once('finish', () => response.socket?.end());
    response.end();
  }

  #write(connection: Connection, bytes: Uint8Array): void {
    connection.unwrittenBytes += bytes.length;
    connection.stalledSince ??= this.#context.clock.monotonicMs();
    connection.response.write(bytes, (error) => {
      if (error !== undefined && error !== null) return;
      this.#context.metrics.peerSentBytes.with(hexId(this.#peer)).inc(bytes.length);
      connection.unwrittenBytes -= bytes.length;
      connection.stalledSince = connection.unwrittenBytes > 0 ? this.#context.clock.monotonicMs() : undefined;
      if (this.#connection === connection) this.flush();
    });
  }

  #armHeartbeat(connection: Connection): void {
    const { clock, timing } = this.#context;
    connection.cancelHeartbeat = clock.after(timing.heartbeatMs, () => {
      const { stalledSince } = connection;
      if (stalledSince === undefined) {
        const out = new FrameBuffer(0);
        connection.encoder.encodeHeartbeat(out);
        this.#write(connection, out.finish());
      } else if (clock.monotonicMs() - stalledSince >= timing.writeMs) {
        this.#detach(`a write did not leave for ${timing.writeMs} ms`);
        return;
      }
      this.#armHeartbeat(connection);
    });
  }

  /** What waits belongs to the connection: a later one must not be sent what is out of date. */
  #detach(reason: string): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    const { logger, metrics, handler } = this.#context;
    this.#connection = undefined;
    connection.cancelHeartbeat();
    connection.response.destroy();
    const lost = this.#queue.size;
    this.#queue.clear();
    logger.warn('stream to peer lost', { 'peer-id': hexId(this.#peer), stream: this.#kind, reason, lost });
    if (lost > 0 || connection.unwrittenBytes > 0)
      metrics.peerSentFailures.with(hexId(this.#peer)).inc(Math.max(lost, 1));
    // Also what left last may not have arrived.
    handler.reportUnreachable(this.#peer);
  }
}

/** Which stream a message belongs to while both are up. */
export function streamOf(message: Message): StreamKind {
  return message.type === MessageType.MsgApp ? 'msgapp' : 'message';
}
