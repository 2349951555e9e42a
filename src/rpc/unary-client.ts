/** Unary calls to other servers, seldom and small: one connection to each, which goes when it is not used for a while. */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { EtcdError, type Code } from '../base/etcd-error.ts';
import type { Clock } from '../ports/clock.ts';

export interface UnaryClientOptions {
  readonly clock: Clock;
  readonly lookup?: LookupFunction | undefined;
  /** For each new connection to a https URL: certificate to show, and whom to trust. Without, the system's authorities are. */
  readonly tls?: (() => ConnectionOptions) | undefined;
}

export interface UnaryCall {
  /** `/pkg.Service/Method`. */
  readonly path: string;
  readonly request: Uint8Array;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

const IDLE_MS = 15_000;
const HEAD_BYTES = 5;
const ANSWER_BYTES_MAX = 1024 * 1024;

interface Kept {
  readonly session: ClientHttp2Session;
  calls: number;
  /** Forgets to close it when idle. */
  cancelIdle: () => void;
}

export class UnaryClient {
  readonly #options: UnaryClientOptions;
  readonly #sessions = new Map<string, Kept>();

  constructor(options: UnaryClientOptions) {
    this.#options = options;
  }

  /** `url`: http or https. Rejects with the EtcdError that was answered, or with an Error if nothing was. */
  async call(url: string, call: UnaryCall): Promise<Uint8Array> {
    const kept = this.#session(new URL(url).origin);
    kept.calls++;
    kept.cancelIdle();
    try {
      return await this.#exchange(kept.session, call);
    } finally {
      kept.calls--;
      if (kept.calls === 0) kept.cancelIdle = this.#options.clock.after(IDLE_MS, () => kept.session.close());
    }
  }

  close(): void {
    for (const { session, cancelIdle } of this.#sessions.values()) {
      cancelIdle();
      session.destroy();
    }
    this.#sessions.clear();
  }

  #session(origin: string): Kept {
    const known = this.#sessions.get(origin);
    if (known !== undefined && !known.session.closed && !known.session.destroyed) return known;
    const { tls, lookup } = this.#options;
    const secure = origin.startsWith('https:') ? { ...tls?.(), ALPNProtocols: ['h2'] } : {};
    const session = http2.connect(origin, { ...secure, ...(lookup && { lookup }) });
    session.unref();
    const kept: Kept = { session, calls: 0, cancelIdle: () => {} };
    // The calls on it learn of it by themselves.
    session.on('error', () => {});
    session.on('close', () => {
      kept.cancelIdle();
      if (this.#sessions.get(origin) === kept) this.#sessions.delete(origin);
    });
    this.#sessions.set(origin, kept);
    return kept;
  }

  #exchange(session: ClientHttp2Session, { path, request, metadata, timeoutMs }: UnaryCall): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': path,
        'content-type': 'application/grpc',
        te: 'trailers',
        'grpc-timeout': `${Math.ceil(timeoutMs)}m`,
        ...metadata,
      });
      const fail = (error: Error): void => {
        session.off('error', fail);
        cancel();
        stream.close(http2.constants.NGHTTP2_CANCEL);
        reject(error);
      };
      const cancel = this.#options.clock.after(timeoutMs, () => {
        fail(new Error(`no answer after ${timeoutMs} ms`));
        // Nothing says that a connection which did not answer in time will answer the next call.
        session.destroy();
      });
      session.on('error', fail);
      stream.on('error', fail);
      readAnswer(stream).then(
        (message) => {
          session.off('error', fail);
          cancel();
          resolve(message);
        },
        (error: unknown) => fail(error instanceof Error ? error : new Error(String(error))),
      );
      stream.end(framed(request));
    });
  }
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.alloc(HEAD_BYTES + message.length);
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, HEAD_BYTES);
  return frame;
}

/** The message of a unary answer. Rejects with what its status says, and when it is cut off or too long. */
function readAnswer(stream: ClientHttp2Stream): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let length = 0;
    let trailers: Readonly<Record<string, unknown>> = {};
    stream.on('response', (headers) => (trailers = { ...trailers, ...headers }));
    stream.on('trailers', (headers) => (trailers = { ...trailers, ...headers }));
    stream.on('data', (chunk: Buffer) => {
      length += chunk.length;
      if (length > ANSWER_BYTES_MAX) reject(new Error(`answer of more than ${ANSWER_BYTES_MAX} bytes`));
      else chunks.push(chunk);
    });
    stream.on('close', () => {
      const { 'grpc-status': status, 'grpc-message': message, ':status': httpStatus } = trailers;
      if (typeof status !== 'string') {
        reject(new Error(typeof httpStatus === 'number' ? `it answered with status ${httpStatus}` : 'no answer'));
      } else if (status !== '0') {
        reject(new EtcdError(Number(status) as Code, typeof message === 'string' ? unescaped(message) : ''));
      } else {
        const body = Buffer.concat(chunks);
        if (length < HEAD_BYTES || body.readUInt32BE(1) !== length - HEAD_BYTES) reject(new Error('answer cut short'));
        else resolve(body.subarray(HEAD_BYTES));
      }
    });
  });
}

function unescaped(message: string): string {
  try {
    return decodeURIComponent(message);
  } catch {
    return message;
  }
}
