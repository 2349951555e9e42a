/** An HTTP/2 client that sends whatever frames a test wants. */

import net from 'node:net';
import { vi } from 'vitest';
import { type Frame, PREFACE, F, T, frame, settings } from '../../support/h2-frames.ts';

export * from '../../support/h2-frames.ts';

/** For what comes at once, but from a busy machine. */
const WAIT_MS = 15_000;

export class FrameClient {
  readonly socket: net.Socket;
  readonly frames: Frame[] = [];
  isClosed = false;
  #rest: Buffer = Buffer.alloc(0);

  private constructor(socket: net.Socket) {
    this.socket = socket;
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#parse(chunk));
    socket.on('error', () => {});
    socket.on('close', () => (this.isClosed = true));
  }

  /** Connected, and unless `greeting` says otherwise with preface and SETTINGS sent. */
  static async connect(
    port: number,
    greeting: Uint8Array = Buffer.concat([PREFACE, settings()]),
  ): Promise<FrameClient> {
    const socket = net.connect(port, '127.0.0.1');
    const client = new FrameClient(socket);
    await new Promise((resolve) => socket.once('connect', resolve));
    client.send(greeting);
    return client;
  }

  send(...frames: Uint8Array[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames));
  }

  /** The first frame that fits, waiting for it. */
  async find(fits: (frame: Frame) => boolean): Promise<Frame> {
    return vi.waitFor(
      () => {
        const found = this.frames.find(fits);
        if (found === undefined) throw new Error(`no such frame; got ${JSON.stringify(this.frames.map(brief))}`);
        return found;
      },
      { timeout: WAIT_MS, interval: 2 },
    );
  }

  /** Error code and debug text of GOAWAY, and waits for the end of the connection. */
  async goaway(): Promise<[number, string]> {
    const { payload } = await this.find(({ type }) => type === T.Goaway);
    await vi.waitFor(
      () => {
        if (!this.isClosed) throw new Error('the connection is still open');
      },
      { timeout: WAIT_MS, interval: 2 },
    );
    return [payload.readUInt32BE(4), payload.subarray(8).toString()];
  }

  async rst(streamId: number): Promise<number> {
    const found = await this.find(({ type, streamId: id }) => type === T.RstStream && id === streamId);
    return found.payload.readUInt32BE(0);
  }

  /** The end of a stream's answer: its frame with END_STREAM. */
  async end(streamId: number): Promise<Frame> {
    return this.find(
      ({ type, flags, streamId: id }) => id === streamId && type <= T.Headers && (flags & F.EndStream) !== 0,
    );
  }

  /** Bytes of DATA received on a stream. */
  body(streamId: number): Buffer {
    return Buffer.concat(
      this.frames.filter(({ type, streamId: id }) => type === T.Data && id === streamId).map(({ payload }) => payload),
    );
  }

  /** How many, without putting them together. */
  bodyBytes(streamId: number): number {
    const frames = this.frames.filter(({ type, streamId: id }) => type === T.Data && id === streamId);
    return frames.reduce((sum, { payload }) => sum + payload.length, 0);
  }

  /** A PING and its answer: everything sent before has been looked at. */
  async sync(): Promise<void> {
    const opaque = Buffer.alloc(8);
    opaque.writeDoubleBE(performance.now());
    this.send(frame(T.Ping, 0, 0, opaque));
    await this.find(({ type, flags, payload }) => type === T.Ping && (flags & F.Ack) !== 0 && payload.equals(opaque));
  }

  #parse(chunk: Buffer): void {
    let buf: Buffer = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      if (buf.length < 9) break;
      const end = 9 + buf.readUIntBE(0, 3);
      if (buf.length < end) break;
      this.frames.push({
        type: buf[3] ?? 0,
        flags: buf[4] ?? 0,
        streamId: buf.readUInt32BE(5),
        payload: buf.subarray(9, end),
      });
      buf = buf.subarray(end);
    }
    this.#rest = buf;
  }
}

function brief({ type, flags, streamId, payload }: Frame): unknown[] {
  return [type, flags, streamId, payload.length];
}
