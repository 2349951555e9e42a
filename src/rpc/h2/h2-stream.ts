/** One gRPC call as an HTTP/2 stream: its state, its flow control windows both ways, its frames. */

import type { EtcdError } from '../../base/etcd-error.ts';
import { parseGrpcTimeout } from '../grpc-timeout.ts';
import { DRAIN_MARK_BYTES } from '../transport.ts';
import { PiecedMessage } from '../transport.ts';
import type { CallReceiver, Peer, RpcMetadata, TransportCall, UnaryResponse } from '../transport.ts';
import { MESSAGE_PREFIX_BYTES } from './frame-writer.ts';
import type { FrameWriter } from './frame-writer.ts';
import { Inbound } from './inbound.ts';
import { Outbound } from './outbound.ts';
import { ErrorCode, FRAME_BYTES_MAX, Flag, FrameType } from './protocol.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { ResponseEncoder } from './response-encoder.ts';
import type { QueuedSender, SendScheduler } from './send-scheduler.ts';

/** SETTINGS_INITIAL_WINDOW_SIZE: what a client may send on a stream ahead of its call reading it. */
export const STREAM_WINDOW_BYTES = 1024 * 1024;
/** What an open stream takes in memory with its call, roughly. */
const STREAM_BYTES = 2048;
/** Requests up to it are part of that while they are worked on. */
const SMALL_REQUEST_BYTES = 1024;

/** The connection as its streams use it. */
export interface StreamOwner {
  readonly peer: Peer;
  readonly writer: FrameWriter;
  readonly encoder: ResponseEncoder;
  readonly scheduler: SendScheduler;
  readonly maxReceiveBytes: number;
  /** Whether the window and the socket have room for this much now. */
  mayWrite(bytes: number): boolean;
  /** Frames of a response were written: sends them at the end of this turn. */
  written(): void;
  /** Something was queued: gets it going at the end of this turn. */
  queued(): void;
  /** Its streams hold so much more in memory; less where it is negative. */
  heldChanged(byBytes: number): void;
  /** Both sides are done, or one has reset the stream. */
  over(stream: H2Stream): void;
}

interface PendingStatus {
  readonly code: number;
  readonly message: string;
}

export class H2Stream implements TransportCall, QueuedSender {
  readonly id: number;
  readonly metadata: RpcMetadata;
  readonly timeoutMs: number | undefined;
  isScheduled = false;
  /** What the client lets us send on this stream. */
  sendWindow: number;
  /** Undefined before the call is open and once it is over. */
  #receiver: CallReceiver | undefined;
  readonly #owner: StreamOwner;
  readonly #encoding: string | undefined;
  /** Only for what is not simply one whole message per DATA frame, read at once. */
  #inbound: Inbound | undefined;
  /** What the client may still send, and what it has sent since we last told it of more. */
  #receiveWindow = STREAM_WINDOW_BYTES;
  #unacknowledged = 0;
  #outbound: Outbound | undefined;
  #areHeadersSent = false;
  #pendingStatus: PendingStatus | undefined;
  /** The status is written or waits behind what is queued. */
  #isEnding = false;
  #isRemoteClosed = false;
  #isOver = false;
  /** Since when the backlog was above the mark that onDrain reports. */
  #isAboveMark = false;
  /** What the owner was told of. */
  #reportedBytes: number;
  readonly #baseBytes: number;

  constructor(owner: StreamOwner, id: number, headers: RequestHeaders, sendWindow: number) {
    this.#owner = owner;
    this.id = id;
    this.metadata = headers;
    this.timeoutMs = headers.grpcTimeout === undefined ? undefined : parseGrpcTimeout(headers.grpcTimeout);
    this.sendWindow = sendWindow;
    this.#encoding = headers.grpcEncoding;
    this.#baseBytes = STREAM_BYTES + headers.bytes;
    this.#reportedBytes = this.#baseBytes;
    owner.heldChanged(this.#baseBytes);
  }

  /** The call may have been answered already. */
  start(receiver: CallReceiver): void {
    if (!this.#isOver) this.#receiver = receiver;
  }

  get isRemoteClosed(): boolean {
    return this.#isRemoteClosed;
  }

  // ---- Frames from the client ----

  /** Returns false when the client sent more than its window allows. `frameBytes` counts padding too. */
  data(buf: Buffer, start: number, end: number, frameBytes: number, isEnd: boolean): boolean {
    this.#receiveWindow -= frameBytes;
    if (this.#receiveWindow < 0) return false;
    this.#unacknowledged += frameBytes;
    // Taken first: the answer to a unary call goes out while this is running.
    if (isEnd) this.#isRemoteClosed = true;
    if (this.#inbound === undefined && isOneMessage(buf, start, end)) {
      const message = buf.subarray(start + MESSAGE_PREFIX_BYTES, end);
      // A call that has not got its half-close may keep it, and with a view the whole receive buffer.
      this.#receiver?.message(isEnd ? message : new Uint8Array(message));
    } else {
      this.#input().data(buf, start, end);
    }
    if (isEnd) this.endOfRequest();
    else if (!this.#isOver) this.#openWindow();
    if (!isEnd || this.#inbound !== undefined || frameBytes > SMALL_REQUEST_BYTES) this.#account();
    return true;
  }

  endOfRequest(): void {
    this.#isRemoteClosed = true;
    if (this.#isOver) return;
    if (this.#inbound === undefined) this.#receiver?.halfClosed();
    else this.#inbound.end();
  }

  /** RST_STREAM came, or the connection is gone. */
  reset(): void {
    if (this.#isOver) return;
    this.#finish();
    const receiver = this.#receiver;
    this.#receiver = undefined;
    receiver?.reset();
  }

  /** Returns false when the window would exceed what HTTP/2 allows. */
  widen(bytes: number, max: number): boolean {
    if (this.sendWindow + bytes > max) return false;
    this.sendWindow += bytes;
    if ((this.#outbound?.bytes ?? 0) > 0) {
      this.#owner.scheduler.add(this);
      this.#owner.queued();
    }
    return true;
  }

  // ---- TransportCall ----

  get peer(): Peer {
    return this.#owner.peer;
  }

  get backlogBytes(): number {
    return this.#outbound?.bytes ?? 0;
  }

  sendMessage(head: Uint8Array, tail?: Uint8Array): void {
    if (this.#isEnding || this.#isOver) return;
    const bytes = MESSAGE_PREFIX_BYTES + head.length + (tail?.length ?? 0);
    if (!this.#mayWriteAtOnce(bytes)) {
      this.#enqueue(head, tail);
      return;
    }
    this.#writeHeaders();
    this.#owner.writer.message(this.id, 0, head, tail);
    this.#owner.scheduler.window -= bytes;
    this.sendWindow -= bytes;
    this.#owner.written();
  }

  sendStatus(code: number, message: string): void {
    if (this.#isEnding || this.#isOver) return;
    this.#isEnding = true;
    if (this.backlogBytes > 0) this.#pendingStatus = { code, message };
    else this.#writeStatus(code, message);
  }

  sendUnary(message: UnaryResponse): void {
    if (message instanceof PiecedMessage) this.#sendPieces(message);
    else this.sendMessage(message);
    this.sendStatus(0, '');
  }

  pauseReading(): void {
    this.#input().pause();
  }

  resumeReading(): void {
    this.#inbound?.resume();
    this.#account();
    if (!this.#isOver) this.#openWindow();
  }

  // ---- QueuedSender ----

  canSend(): boolean {
    return this.sendWindow > 0 && this.backlogBytes > 0 && !this.#isOver;
  }

  writeSome(windowBytes: number): number {
    const outbound = this.#outbound;
    if (outbound === undefined || !this.canSend()) return 0;
    this.#writeHeaders();
    const bytes = Math.min(outbound.bytes, windowBytes, this.sendWindow, FRAME_BYTES_MAX);
    const { writer } = this.#owner;
    const at = writer.frame(FrameType.Data, 0, this.id, bytes);
    outbound.take(bytes, writer.target, at);
    this.sendWindow -= bytes;
    this.#account();
    if (outbound.bytes === 0 && this.#pendingStatus !== undefined) {
      this.#writeStatus(this.#pendingStatus.code, this.#pendingStatus.message);
    }
    return bytes;
  }

  afterSending(): void {
    if (!this.#isAboveMark || this.backlogBytes > DRAIN_MARK_BYTES) return;
    this.#isAboveMark = false;
    this.#receiver?.drained();
  }

  #input(): Inbound {
    this.#inbound ??= new Inbound(
      () => this.#receiver,
      this.#encoding,
      this.#owner.maxReceiveBytes,
      (error) => this.#fail(error),
      () => this.#account(),
    );
    return this.#inbound;
  }

  #mayWriteAtOnce(bytes: number): boolean {
    return (
      bytes <= this.sendWindow && bytes <= FRAME_BYTES_MAX && this.backlogBytes === 0 && this.#owner.mayWrite(bytes)
    );
  }

  #sendPieces(message: PiecedMessage): void {
    if (this.#isEnding || this.#isOver) return;
    this.#outbound ??= new Outbound();
    this.#outbound.pushPieces(message);
    this.#queued(this.#outbound);
  }

  #enqueue(head: Uint8Array, tail: Uint8Array | undefined): void {
    this.#outbound ??= new Outbound();
    this.#outbound.push(head, tail);
    this.#queued(this.#outbound);
  }

  #queued(outbound: Outbound): void {
    if (outbound.bytes > DRAIN_MARK_BYTES) this.#isAboveMark = true;
    this.#account();
    this.#owner.scheduler.add(this);
    this.#owner.queued();
  }

  #writeHeaders(): void {
    if (this.#areHeadersSent) return;
    this.#areHeadersSent = true;
    const { encoder, writer } = this.#owner;
    const length = encoder.headers();
    writer.headers(this.id, Flag.EndHeaders, encoder.block, length);
  }

  #writeStatus(code: number, message: string): void {
    const { encoder, writer } = this.#owner;
    let length: number;
    if (!this.#areHeadersSent) length = encoder.trailersOnly(code, message);
    else if (code === 0) length = encoder.okTrailers();
    else length = encoder.trailers(code, message);
    writer.headers(this.id, Flag.EndHeaders | Flag.EndStream, encoder.block, length);
    // The answer is complete: a client that is still sending may stop.
    if (!this.#isRemoteClosed) writer.rstStream(this.id, ErrorCode.NoError);
    this.#owner.written();
    this.#finish();
    this.#receiver = undefined;
  }

  /** Ends the call from below. */
  #fail(error: EtcdError): void {
    const receiver = this.#receiver;
    this.sendStatus(error.code, error.message);
    this.#receiver = undefined;
    receiver?.reset();
  }

  /** Tells the client of the window it has used, in large steps, unless the call does not read. */
  #openWindow(): void {
    if (this.#isRemoteClosed || this.#inbound?.isPaused || this.#unacknowledged < STREAM_WINDOW_BYTES / 2) return;
    this.#owner.writer.windowUpdate(this.id, this.#unacknowledged);
    this.#receiveWindow += this.#unacknowledged;
    this.#unacknowledged = 0;
    this.#owner.queued();
  }

  /** Tells the owner what has changed in what is held here. */
  #account(): void {
    if (this.#isOver) return;
    const held =
      this.#baseBytes +
      (this.#inbound?.heldBytes ?? 0) +
      (this.#outbound?.bytes ?? 0) +
      (this.#receiver?.heldBytes ?? 0);
    if (held === this.#reportedBytes) return;
    this.#owner.heldChanged(held - this.#reportedBytes);
    this.#reportedBytes = held;
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#isEnding = true;
    this.#outbound?.clear();
    this.#owner.heldChanged(-this.#reportedBytes);
    this.#reportedBytes = 0;
    this.#owner.over(this);
  }
}

/** Whether buf[start, end) is exactly one message that is not compressed. A frame is smaller than any limit on messages. */
function isOneMessage(buf: Buffer, start: number, end: number): boolean {
  return (
    end - start >= MESSAGE_PREFIX_BYTES &&
    buf[start] === 0 &&
    buf.readUInt32BE(start + 1) === end - start - MESSAGE_PREFIX_BYTES
  );
}
