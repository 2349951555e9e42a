/**
 * One HTTP/2 connection that carries gRPC calls, lean enough that the load generator is not what is measured: frames are
 * written into one buffer per turn of the event loop, responses are cut out of the socket's buffer, and nothing but
 * grpc-status is looked at in headers.
 */
import { connect, type Socket } from 'node:net';
import { grpcStatusOf, HeaderEncoder, STATUS_UNKNOWN } from './hpack.ts';
import { OutBuffer } from './out-buffer.ts';
import { FLAG, FRAME, FRAME_HEADER_BYTES, SETTING } from './frames.ts';
import { type CallHandler, ClientStream } from './client-stream.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const DEFAULT_WINDOW_BYTES = 65_535;
/** As h2load's. */
const OWN_WINDOW_BYTES = 2 ** 30 - 1;
const READ_BUFFER_BYTES = 256 * 1024;
const STREAM_ID_MAX = 2 ** 31 - 1;

/** Request bytes that wait for the server's flow control. */
interface Unsent {
  readonly stream: ClientStream;
  readonly bytes: Uint8Array;
  readonly endStream: boolean;
  at: number;
}

export class Connection {
  readonly #socket: Socket;
  readonly #headers: HeaderEncoder;
  readonly #out = new OutBuffer();
  readonly #streams = new Map<number, ClientStream>();
  readonly #unsent: Unsent[] = [];
  #nextStreamId = 1;
  #flushing = false;
  /** Bytes of a frame whose rest has not come yet. */
  #partial: Buffer = Buffer.alloc(0);
  #sendWindow = DEFAULT_WINDOW_BYTES;
  #initialSendWindow = DEFAULT_WINDOW_BYTES;
  #maxFrameBytes = 16_384;
  /** Received since the last WINDOW_UPDATE. */
  #consumed = 0;
  #failure: Error | undefined;

  /** Rejects when nobody listens there. */
  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      let connection: Connection | undefined;
      const buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES);
      const socket = connect({
        port,
        host: '127.0.0.1',
        noDelay: true,
        onread: {
          buffer,
          callback: (bytes) => {
            connection?.receive(buffer.subarray(0, bytes));
            return true;
          },
        },
      });
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        connection = new Connection(socket, `127.0.0.1:${port}`);
        resolve(connection);
      });
    });
  }

  private constructor(socket: Socket, authority: string) {
    this.#socket = socket;
    this.#headers = new HeaderEncoder(authority);
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
    const settings = [
      [SETTING.headerTableSize, 0],
      [SETTING.enablePush, 0],
      [SETTING.initialWindowSize, OWN_WINDOW_BYTES],
    ] as const;
    this.#out.text(PREFACE);
    this.#out.frame(FRAME.settings, 0, 0, settings.length * 6);
    for (const [id, value] of settings) this.#out.setting(id, value);
    this.#windowUpdate(0, OWN_WINDOW_BYTES - DEFAULT_WINDOW_BYTES);
  }

  /** A call with one request; `body` is a gRPC frame (see grpcFrame). The handler hears of it until its onEnd. */
  call(path: string, body: Uint8Array, handler: CallHandler): ClientStream {
    const stream = this.open(path, handler);
    this.send(stream, body, true);
    return stream;
  }

  /** A call whose requests follow with send(). */
  open(path: string, handler: CallHandler): ClientStream {
    if (this.#failure !== undefined) throw this.#failure;
    const id = this.#nextStreamId;
    if (id > STREAM_ID_MAX) throw new Error('this connection has had 2^30 streams');
    this.#nextStreamId += 2;
    const stream = new ClientStream(id, handler, this.#initialSendWindow);
    this.#streams.set(id, stream);
    const block = this.#headers.block(path);
    this.#out.frame(FRAME.headers, FLAG.endHeaders, id, block.length);
    this.#out.bytes(block);
    this.#flushSoon();
    return stream;
  }

  send(stream: ClientStream, body: Uint8Array, endStream = false): void {
    const unsent: Unsent = { stream, bytes: body, endStream, at: 0 };
    if (this.#unsent.length > 0 || !this.#sendSome(unsent)) this.#unsent.push(unsent);
    this.#flushSoon();
  }

  /** Resets the stream; its handler hears nothing more. */
  cancel(stream: ClientStream): void {
    if (!this.#streams.delete(stream.id)) return;
    this.#out.frame(FRAME.rstStream, 0, stream.id, 4);
    this.#out.uint32(CANCEL);
    this.#flushSoon();
  }

  close(): void {
    this.#failure ??= new Error('this connection is closed');
    this.#streams.clear();
    this.#socket.destroy();
  }

  /** Whether the whole of `unsent` has been sent. */
  #sendSome(unsent: Unsent): boolean {
    const { stream, bytes, endStream } = unsent;
    do {
      const rest = bytes.length - unsent.at;
      const room = Math.min(this.#sendWindow, stream.sendWindow, this.#maxFrameBytes);
      if (rest > 0 && room <= 0) return false;
      const length = Math.min(rest, room);
      const last = length === rest;
      this.#out.frame(FRAME.data, last && endStream ? FLAG.endStream : 0, stream.id, length);
      this.#out.bytes(bytes.subarray(unsent.at, unsent.at + length));
      unsent.at += length;
      this.#sendWindow -= length;
      stream.sendWindow -= length;
    } while (unsent.at < bytes.length);
    return true;
  }

  #sendUnsent(): void {
    // A stream without a window must not hold up the others, but keeps its own order.
    const stuck = new Set<ClientStream>();
    for (let i = 0; i < this.#unsent.length;) {
      const unsent = this.#unsent[i] as Unsent;
      if (this.#sendWindow <= 0) break;
      if (!stuck.has(unsent.stream) && this.#sendSome(unsent)) {
        this.#unsent.splice(i, 1);
      } else {
        stuck.add(unsent.stream);
        i++;
      }
    }
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    queueMicrotask(() => {
      this.#flushing = false;
      if (this.#failure === undefined) this.#out.writeTo(this.#socket);
    });
  }

  /** For the socket: `chunk` is valid during the call only. */
  receive(chunk: Buffer): void {
    const bytes = this.#partial.length === 0 ? chunk : Buffer.concat([this.#partial, chunk]);
    let at = 0;
    try {
      while (bytes.length - at >= FRAME_HEADER_BYTES) {
        const length = bytes.readUIntBE(at, 3);
        const end = at + FRAME_HEADER_BYTES + length;
        if (end > bytes.length) break;
        const id = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
        this.#frame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, id, bytes.subarray(at + FRAME_HEADER_BYTES, end));
        at = end;
      }
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    this.#partial = at === bytes.length ? EMPTY_BUFFER : Buffer.from(bytes.subarray(at));
  }

  #frame(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case FRAME.data:
        this.#onData(flags, id, payload);
        return;
      case FRAME.headers:
        this.#onHeaders(flags, id, payload);
        return;
      case FRAME.rstStream:
        this.#end(id, STATUS_UNKNOWN, `reset by the server with code ${payload.readUInt32BE(0)}`);
        return;
      case FRAME.settings:
        if ((flags & FLAG.ack) === 0) this.#onSettings(payload);
        return;
      case FRAME.ping:
        if ((flags & FLAG.ack) !== 0) return;
        this.#out.frame(FRAME.ping, FLAG.ack, 0, payload.length);
        this.#out.bytes(payload);
        this.#flushSoon();
        return;
      case FRAME.goaway:
        throw new Error(`the server said goodbye with code ${payload.readUInt32BE(4)}: ${payload.toString('utf8', 8)}`);
      case FRAME.windowUpdate: {
        const more = payload.readUInt32BE(0);
        if (id === 0) this.#sendWindow += more;
        else {
          const stream = this.#streams.get(id);
          if (stream !== undefined) stream.sendWindow += more;
        }
        if (this.#unsent.length > 0) this.#sendUnsent();
        return;
      }
      case FRAME.continuation:
        throw new Error('header blocks of more than one frame are not expected');
      default:
    }
  }

  #onData(flags: number, id: number, payload: Buffer): void {
    if ((flags & FLAG.padded) !== 0) throw new Error('padded frames are not expected');
    this.#consumed += payload.length;
    if (this.#consumed > OWN_WINDOW_BYTES / 2) {
      this.#windowUpdate(0, this.#consumed);
      this.#consumed = 0;
    }
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    if (stream.consume(payload) > OWN_WINDOW_BYTES / 2) this.#windowUpdate(id, stream.takeConsumed());
    if ((flags & FLAG.endStream) !== 0) this.#end(id, STATUS_UNKNOWN, 'ended without trailers');
  }

  #onHeaders(flags: number, id: number, block: Buffer): void {
    if ((flags & FLAG.endHeaders) === 0) throw new Error('header blocks of more than one frame are not expected');
    if ((flags & (FLAG.padded | FLAG.priority)) !== 0) throw new Error('padded headers are not expected');
    if ((flags & FLAG.endStream) === 0) return;
    const status = grpcStatusOf(block);
    if (status === undefined) this.#end(id, STATUS_UNKNOWN, 'trailers without grpc-status');
    else this.#end(id, status, `grpc-status ${status}`);
  }

  #end(id: number, status: number, text: string): void {
    const stream = this.#streams.get(id);
    if (stream === undefined) return;
    this.#streams.delete(id);
    stream.handler.onEnd(status, text);
  }

  #onSettings(payload: Buffer): void {
    for (let at = 0; at + 6 <= payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      switch (payload.readUInt16BE(at)) {
        case SETTING.initialWindowSize:
          for (const stream of this.#streams.values()) stream.sendWindow += value - this.#initialSendWindow;
          this.#initialSendWindow = value;
          break;
        case SETTING.maxFrameSize:
          this.#maxFrameBytes = value;
          break;
        default:
      }
    }
    this.#out.frame(FRAME.settings, FLAG.ack, 0, 0);
    this.#sendUnsent();
  }

  #windowUpdate(id: number, bytes: number): void {
    this.#out.frame(FRAME.windowUpdate, 0, id, 4);
    this.#out.uint32(bytes);
    this.#flushSoon();
  }

  #fail(error: Error): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    const streams = [...this.#streams.values()];
    this.#streams.clear();
    for (const stream of streams) stream.handler.onEnd(STATUS_UNKNOWN, error.message);
  }
}

const EMPTY_BUFFER = Buffer.alloc(0);
const CANCEL = 8;
