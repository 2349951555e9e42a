/** One HTTP/2 connection of a client: frames in, streams, flow control, frames out (RFC 9113). */

import type { Socket } from 'node:net';
import { Code } from '../../base/etcd-error.ts';
import type { Holder } from '../../server/held-bytes.ts';
import { peerOf } from '../connection.ts';
import { PingPolicy, TOO_MANY_PINGS } from '../ping-policy.ts';
import type { ResolvedTransportOptions } from '../transport-options.ts';
import type { Peer } from '../transport.ts';
import { FloodGuard, calm } from './flood-guard.ts';
import { FrameParser } from './frame-parser.ts';
import type { FrameSink } from './frame-parser.ts';
import { FrameWriter } from './frame-writer.ts';
import { dependencyAt, frameSizeError, paddingOf } from './frame-fields.ts';
import { H2Stream, STREAM_WINDOW_BYTES } from './h2-stream.ts';
import type { StreamOwner } from './h2-stream.ts';
import { HeaderBlock } from './header-block.ts';
import { HEADER_LIST_BYTES_MAX, HpackDecoder } from './hpack-decoder.ts';
import { Keepalive } from './keepalive.ts';
import { PeerSettings } from './peer-settings.ts';
import {
  ConnectionError,
  ErrorCode,
  Flag,
  FrameType,
  Setting,
  WINDOW_DEFAULT,
  WINDOW_MAX,
  protocolError,
} from './protocol.ts';
import { ReceiveWindow } from './receive-window.ts';
import { RecentlyClosed } from './recently-closed.ts';
import type { RequestHeaders } from './request-headers.ts';
import type { Refusal } from './request-refusal.ts';
import { ResponseEncoder } from './response-encoder.ts';
import { SendScheduler } from './send-scheduler.ts';
import { StreamTable } from './stream-table.ts';

/** What the client may send on all streams together ahead of our reading it off the socket. */
const CONNECTION_WINDOW_BYTES = 8 * 1024 * 1024;
/** Bytes in the socket from which streams keep theirs queued. */
const SOCKET_BYTES_MAX = 256 * 1024;
/** Bytes in the socket from which a client that reads nothing, but makes us answer, is dropped. */
const SOCKET_BYTES_FATAL = 4 * 1024 * 1024;
/** How long the frames of one connection may hold up others; it is looked at every so many frames. */
const TURN_MS = 2;
const TURN_FRAMES = 16;
/** A limit where --max-concurrent-streams has none. */
const OPEN_STREAMS_MAX = 100_000;
const TOO_LARGE: Refusal = { httpStatus: 431, code: Code.ResourceExhausted, message: 'the headers are too large' };
const HANDSHAKE_TIMEOUT_MS = 10_000;
/** For a last GOAWAY to reach the client. */
const LINGER_MS = 500;

export interface ConnectionOwner {
  readonly options: ResolvedTransportOptions;
  /** Have flush() called at the end of this turn of the event loop. */
  flushLater(connection: H2Connection): void;
  closed(connection: H2Connection): void;
}

export class H2Connection implements FrameSink, StreamOwner, Holder {
  readonly peer: Peer;
  readonly writer = new FrameWriter();
  readonly encoder = new ResponseEncoder();
  readonly scheduler = new SendScheduler();
  readonly maxReceiveBytes: number;
  /** Kept by the owner: in its list of connections to flush. */
  isFlushDue = false;
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #parser = new FrameParser(this);
  readonly #decoder = new HpackDecoder();
  readonly #settings = new PeerSettings();
  readonly #guard = new FloodGuard();
  readonly #pings: PingPolicy;
  readonly #streams = new StreamTable<H2Stream>();
  readonly #streamsMax: number;
  /** The highest stream id the client has used; streams up to it that are not in the map are closed. */
  #lastStreamId = 0;
  /** HEADERS without END_HEADERS: only its CONTINUATION may follow. */
  #headerBlock: HeaderBlock | undefined;
  #hasSettings = false;
  readonly #receiveWindow = new ReceiveWindow(CONNECTION_WINDOW_BYTES);
  /** Bytes that the socket holds because the system did not take them. */
  #socketBytes = 0;
  readonly #recentlyClosed = new RecentlyClosed();
  /** GOAWAY is sent: new streams are ignored, and the connection ends with the last open one. */
  #isGoingAway = false;
  /** Nothing more is read or sent. */
  #isClosed = false;
  #nowMs: number;
  readonly #cancelHandshakeTimer: () => void;
  #keepalive: Keepalive | undefined;
  /** What its streams hold in memory, and what they have let go of since the start. */
  #heldBytes = 0;
  #releasedBytes = 0;
  /** Bytes that wait for the next turn of the event loop; reading waits with them. */
  #later: Buffer | undefined;

  constructor(socket: Socket, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#owner = owner;
    const { options } = owner;
    this.peer = peerOf(socket);
    this.maxReceiveBytes = options.opener.maxReceiveBytes;
    this.#pings = new PingPolicy(options.keepaliveMinTimeMs);
    this.#streamsMax = Math.min(options.maxConcurrentStreams, OPEN_STREAMS_MAX);
    this.#nowMs = options.clock.monotonicMs();
    this.#cancelHandshakeTimer = options.clock.after(HANDSHAKE_TIMEOUT_MS, () => this.destroy());
    options.held.join(this);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    socket.on('drain', () => this.#onDrain());
    socket.on('error', () => this.#close());
    socket.on('end', () => this.#close());
    socket.on('close', () => this.#close());
    this.#sendSettings();
  }

  // ---- Towards the transport ----

  /** Writes what this turn has collected, and as much of what is queued as there is room for. */
  flush(): void {
    this.isFlushDue = false;
    if (this.#isClosed) return;
    if (this.scheduler.pump(() => this.#hasRoom()) > 0) this.#pings.onSend();
    this.writer.flushTo(this.#socket);
    this.#socketBytes = this.#socket.writableLength;
    if (this.#socketBytes > SOCKET_BYTES_FATAL) this.#socket.destroy();
    else if (this.#isGoingAway && this.#streams.size === 0) this.#end();
    else if (this.scheduler.hasReady && this.scheduler.window > 0 && this.#hasRoom()) this.queued();
  }

  /** GOAWAY; the connection ends when its last stream has. */
  goAway(): void {
    if (this.#isClosed || this.#isGoingAway) return;
    this.#isGoingAway = true;
    this.writer.goaway(this.#lastStreamId, ErrorCode.NoError, 'graceful_stop');
    this.queued();
  }

  destroy(): void {
    this.#socket.destroy();
    this.#close();
  }

  // ---- StreamOwner ----

  mayWrite(bytes: number): boolean {
    return bytes <= this.scheduler.window && this.#hasRoom();
  }

  written(): void {
    this.#pings.onSend();
    this.queued();
  }

  queued(): void {
    if (!this.isFlushDue) this.#owner.flushLater(this);
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get releasedBytes(): number {
    return this.#releasedBytes;
  }

  heldChanged(byBytes: number): void {
    this.#heldBytes += byBytes;
    if (byBytes < 0) this.#releasedBytes -= byBytes;
    this.#owner.options.held.changed(byBytes);
  }

  evict(): void {
    if (this.#isClosed) return;
    const { logger } = this.#owner.options;
    logger.warn('closing a gRPC connection that holds much memory', {
      remote: this.peer.address,
      bytes: this.#heldBytes,
    });
    this.#fail(calm('too much memory held'));
  }

  over(stream: H2Stream): void {
    this.#streams.delete(stream.id);
    if (!stream.isRemoteClosed) this.#recentlyClosed.note(stream.id);
    if (this.#isGoingAway && this.#streams.size === 0) this.queued();
  }

  // ---- FrameSink ----

  frame(type: number, flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (this.#headerBlock !== undefined && type !== FrameType.Continuation)
      throw protocolError('a frame within a header block');
    if (!this.#hasSettings && type !== FrameType.Settings) throw protocolError('the first frame is not SETTINGS');
    switch (type) {
      case FrameType.Data:
        return this.#onDataFrame(flags, streamId, buf, start, end);
      case FrameType.Headers:
        return this.#onHeaders(flags, streamId, buf, start, end);
      case FrameType.Continuation:
        return this.#onContinuation(flags, streamId, buf, start, end);
      case FrameType.WindowUpdate:
        return this.#onWindowUpdate(streamId, buf, start, end);
      case FrameType.RstStream:
        return this.#onRstStream(streamId, start, end);
      case FrameType.Settings:
        return this.#onSettings(flags, streamId, buf, start, end);
      case FrameType.Ping:
        return this.#onPing(flags, streamId, buf, start, end);
      case FrameType.Priority:
        return this.#onPriority(streamId, buf, start, end);
      case FrameType.Goaway:
        if (streamId !== 0) throw protocolError('GOAWAY on a stream');
        if (end - start < 8) throw frameSizeError('GOAWAY', end - start);
        return;
      case FrameType.PushPromise:
        throw protocolError('PUSH_PROMISE from a client');
      default:
        this.#guard.onIdleFrame(this.#nowMs);
    }
  }

  #onDataFrame(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId === 0) throw protocolError('DATA on stream 0');
    const frameBytes = end - start;
    const isEnd = (flags & Flag.EndStream) !== 0;
    if (frameBytes === 0 && !isEnd) this.#guard.onIdleFrame(this.#nowMs);
    const openedBytes = this.#receiveWindow.take(frameBytes);
    if (openedBytes > 0) {
      this.writer.windowUpdate(0, openedBytes);
      this.queued();
    }

    let from = start;
    let to = end;
    if ((flags & Flag.Padded) !== 0) {
      from++;
      to = end - paddingOf(buf, start, end);
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined || stream.isRemoteClosed) {
      this.#onStrayFrame(streamId);
    } else if (!stream.data(buf, from, to, frameBytes, isEnd)) {
      this.#resetStream(streamId, ErrorCode.FlowControlError);
    }
  }

  #onHeaders(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId % 2 === 0) throw protocolError(`HEADERS on stream ${streamId}`);
    let from = start;
    let to = end;
    if ((flags & Flag.Padded) !== 0) {
      from++;
      to = end - paddingOf(buf, start, end);
    }
    let isSelfDependent = false;
    if ((flags & Flag.Priority) !== 0) {
      if (to - from < 5) throw frameSizeError('HEADERS', end - start);
      isSelfDependent = dependencyAt(buf, from) === streamId;
      from += 5;
    }
    const isEnd = (flags & Flag.EndStream) !== 0;
    if ((flags & Flag.EndHeaders) === 0) {
      this.#headerBlock = new HeaderBlock(streamId, isEnd);
      this.#addToBlock(this.#headerBlock, buf.subarray(from, to));
    } else {
      this.#onHeaderBlock(streamId, isEnd, this.#decoder.decode(buf, from, to));
    }
    if (isSelfDependent) this.#resetStream(streamId, ErrorCode.ProtocolError);
  }

  #onContinuation(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    const block = this.#headerBlock;
    if (block === undefined || block.streamId !== streamId) throw protocolError('CONTINUATION out of place');
    if (start === end) this.#guard.onIdleFrame(this.#nowMs);
    this.#addToBlock(block, buf.subarray(start, end));
    if ((flags & Flag.EndHeaders) === 0) return;
    this.#headerBlock = undefined;
    this.heldChanged(-block.bytes);
    const whole = block.whole();
    this.#onHeaderBlock(streamId, block.isEndOfStream, this.#decoder.decode(whole, 0, whole.length));
  }

  #addToBlock(block: HeaderBlock, part: Buffer): void {
    block.add(part);
    this.heldChanged(part.length);
  }

  #onWindowUpdate(streamId: number, buf: Buffer, start: number, end: number): void {
    if (end - start !== 4) throw frameSizeError('WINDOW_UPDATE', end - start);
    const increment = buf.readUInt32BE(start) & 0x7fff_ffff;
    if (streamId === 0) {
      if (increment === 0) throw protocolError('WINDOW_UPDATE by 0');
      this.scheduler.window += increment;
      if (this.scheduler.window > WINDOW_MAX)
        throw new ConnectionError(ErrorCode.FlowControlError, 'the window is too large');
      if (this.scheduler.hasReady) this.queued();
      return;
    }
    const stream = this.#streams.get(streamId);
    if (stream === undefined) this.#checkNotIdle(streamId, 'WINDOW_UPDATE');
    else if (increment === 0) this.#resetStream(streamId, ErrorCode.ProtocolError);
    else if (!stream.widen(increment, WINDOW_MAX)) this.#resetStream(streamId, ErrorCode.FlowControlError);
  }

  #onRstStream(streamId: number, start: number, end: number): void {
    if (end - start !== 4) throw frameSizeError('RST_STREAM', end - start);
    this.#checkNotIdle(streamId, 'RST_STREAM');
    const stream = this.#streams.get(streamId);
    this.#guard.onReset(this.#nowMs);
    stream?.reset();
  }

  #onSettings(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw protocolError('SETTINGS on a stream');
    if ((flags & Flag.Ack) !== 0) {
      if (end !== start) throw frameSizeError('SETTINGS acknowledgement', end - start);
      if (!this.#hasSettings) throw protocolError('SETTINGS acknowledged before any');
      return;
    }
    this.#guard.onIdleFrame(this.#nowMs);
    if (!this.#hasSettings) this.#onHandshake();
    const { headerTableBytes, windowDelta } = this.#settings.apply(buf, start, end);
    if (headerTableBytes !== undefined) this.encoder.setTableSize(headerTableBytes);
    if (windowDelta !== 0) {
      for (const stream of this.#streams.all()) {
        if (!stream.widen(windowDelta, WINDOW_MAX))
          throw new ConnectionError(ErrorCode.FlowControlError, 'a window is too large');
      }
    }
    this.writer.frame(FrameType.Settings, Flag.Ack, 0, 0);
    this.queued();
  }

  #onPing(flags: number, streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId !== 0) throw protocolError('PING on a stream');
    if (end - start !== 8) throw frameSizeError('PING', end - start);
    if ((flags & Flag.Ack) !== 0) return;
    this.#guard.onIdleFrame(this.#nowMs);
    this.writer.raw(FrameType.Ping, Flag.Ack, buf.subarray(start, end));
    this.queued();
    if (this.#pings.isTooMany(this.#nowMs, this.#streams.size)) {
      throw new ConnectionError(ErrorCode.EnhanceYourCalm, TOO_MANY_PINGS);
    }
  }

  #onPriority(streamId: number, buf: Buffer, start: number, end: number): void {
    if (streamId === 0) throw protocolError('PRIORITY on stream 0');
    this.#guard.onIdleFrame(this.#nowMs);
    if (end - start !== 5) this.#resetStream(streamId, ErrorCode.FrameSizeError);
    else if (dependencyAt(buf, start) === streamId) this.#resetStream(streamId, ErrorCode.ProtocolError);
  }

  // ---- Streams ----

  #onHeaderBlock(streamId: number, isEnd: boolean, headers: RequestHeaders): void {
    const stream = this.#streams.get(streamId);
    if (stream !== undefined) {
      if (stream.isRemoteClosed) this.#resetStream(streamId, ErrorCode.StreamClosed);
      else if (!isEnd || !headers.isValidTrailer) this.#resetStream(streamId, ErrorCode.ProtocolError);
      else stream.endOfRequest();
      return;
    }
    if (streamId <= this.#lastStreamId) {
      if (this.#wasRecentlyClosed(streamId)) return;
      throw new ConnectionError(ErrorCode.StreamClosed, `HEADERS on the closed stream ${streamId}`);
    }
    if (this.#isGoingAway) return;
    this.#lastStreamId = streamId;
    if (headers.isTooLarge) this.#refuse(streamId, isEnd, TOO_LARGE);
    else if (headers.fault !== undefined) this.#resetStream(streamId, ErrorCode.ProtocolError);
    else if (this.#streams.size >= this.#streamsMax) this.#resetStream(streamId, ErrorCode.RefusedStream);
    else if (headers.refusal !== undefined) this.#refuse(streamId, isEnd, headers.refusal);
    else this.#openStream(streamId, isEnd, headers);
  }

  #openStream(streamId: number, isEnd: boolean, headers: RequestHeaders): void {
    const stream = new H2Stream(this, streamId, headers, this.#settings.initialWindow);
    this.#streams.add(stream);
    stream.start(this.#owner.options.opener.open(headers.path ?? '', stream));
    if (isEnd) stream.endOfRequest();
  }

  #refuse(streamId: number, isEnd: boolean, refusal: Refusal): void {
    const length = this.encoder.refusal(refusal);
    this.writer.headers(streamId, Flag.EndHeaders | Flag.EndStream, this.encoder.block, length);
    if (!isEnd) this.#resetStream(streamId, ErrorCode.NoError);
    this.written();
  }

  #resetStream(streamId: number, code: ErrorCode): void {
    this.writer.rstStream(streamId, code);
    this.queued();
    if (streamId > this.#lastStreamId) return;
    this.#recentlyClosed.note(streamId);
    const stream = this.#streams.get(streamId);
    if (stream === undefined) return;
    stream.reset();
    // It makes no difference to us whether the client resets its streams or has us do it.
    this.#guard.onReset(this.#nowMs);
  }

  /** DATA for a stream that does not take any. */
  #onStrayFrame(streamId: number): void {
    this.#checkNotIdle(streamId, 'DATA');
    if (this.#wasRecentlyClosed(streamId)) return;
    this.#guard.onIdleFrame(this.#nowMs);
    this.#resetStream(streamId, ErrorCode.StreamClosed);
  }

  #checkNotIdle(streamId: number, what: string): void {
    if (streamId === 0) throw protocolError(`${what} on stream 0`);
    if (streamId % 2 === 0 || streamId > this.#lastStreamId) {
      // After GOAWAY streams may have been opened that were not looked at.
      if (!this.#isGoingAway) throw protocolError(`${what} on the idle stream ${streamId}`);
    }
  }

  #wasRecentlyClosed(streamId: number): boolean {
    return streamId > this.#lastStreamId || this.#recentlyClosed.has(streamId);
  }

  // ---- The socket ----

  #sendSettings(): void {
    const settings: [number, number][] = [
      [Setting.InitialWindowSize, STREAM_WINDOW_BYTES],
      [Setting.MaxHeaderListSize, HEADER_LIST_BYTES_MAX],
    ];
    if (this.#streamsMax < OPEN_STREAMS_MAX) settings.push([Setting.MaxConcurrentStreams, this.#streamsMax]);
    this.writer.settings(settings);
    this.writer.windowUpdate(0, CONNECTION_WINDOW_BYTES - WINDOW_DEFAULT);
    this.queued();
  }

  #onData(chunk: Buffer): void {
    if (this.#isClosed) return;
    this.#nowMs = this.#owner.options.clock.monotonicMs();
    this.#parse(chunk);
  }

  /** For no longer than a turn; the rest comes in the next one. */
  #parse(chunk: Buffer): void {
    const { clock } = this.#owner.options;
    let frames = 0;
    const isDone = (): boolean => {
      if (this.#isClosed) return true;
      return ++frames % TURN_FRAMES === 0 && clock.monotonicMs() - this.#nowMs > TURN_MS;
    };
    try {
      const parsed = this.#parser.feed(chunk, isDone);
      if (parsed < chunk.length && !this.#isClosed) this.#parseLater(chunk.subarray(parsed));
    } catch (error) {
      this.#fail(error);
    }
  }

  #parseLater(rest: Buffer): void {
    this.#later = rest;
    this.#socket.pause();
    setImmediate(() => {
      const later = this.#later;
      this.#later = undefined;
      if (later === undefined || this.#isClosed) return;
      this.#nowMs = this.#owner.options.clock.monotonicMs();
      this.#parse(later);
      if (this.#later === undefined) this.#socket.resume();
    });
  }

  #onDrain(): void {
    this.#socketBytes = this.#socket.writableLength;
    if (this.scheduler.hasReady) this.queued();
  }

  #hasRoom(): boolean {
    return this.#socketBytes + this.writer.pendingBytes < SOCKET_BYTES_MAX;
  }

  /** GOAWAY with the reason, then the end. */
  #fail(error: unknown): void {
    const { logger } = this.#owner.options;
    let code: ErrorCode = ErrorCode.InternalError;
    let text = '';
    if (error instanceof ConnectionError) {
      ({ code, message: text } = error);
      logger.debug('closing a gRPC connection', { remote: this.peer.address, code, reason: text });
    } else {
      const stack = error instanceof Error ? error.stack : String(error);
      logger.error('gRPC connection failed', { remote: this.peer.address, error: stack });
    }
    this.writer.goaway(this.#lastStreamId, code, text);
    this.writer.flushTo(this.#socket);
    this.#end();
  }

  /** Sends what is collected and closes; reads on for a moment, lest the system drop what is under way to the client. */
  #end(): void {
    this.#socket.end();
    this.#socket.resume();
    const cancel = this.#owner.options.clock.after(LINGER_MS, () => this.#socket.destroy());
    this.#socket.on('close', cancel);
    this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelHandshakeTimer();
    this.#keepalive?.stop();
    this.writer.clear();
    for (const stream of this.#streams.all()) stream.reset();
    if (this.#headerBlock !== undefined) this.heldChanged(-this.#headerBlock.bytes);
    this.#headerBlock = undefined;
    this.#owner.options.held.leave(this);
    this.#owner.closed(this);
  }

  // ---- Timers ----

  #onHandshake(): void {
    this.#hasSettings = true;
    this.#cancelHandshakeTimer();
    const { clock, keepaliveIntervalMs: intervalMs, keepaliveTimeoutMs: timeoutMs } = this.#owner.options;
    this.#keepalive = new Keepalive({
      clock,
      intervalMs,
      timeoutMs,
      heardMs: () => this.#nowMs,
      sendPing: () => {
        this.writer.raw(FrameType.Ping, 0, Buffer.alloc(8));
        this.queued();
      },
      onSilence: () => this.destroy(),
    });
  }
}
