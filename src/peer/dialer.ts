/** Opens HTTP requests to peers, over TCP or a unix socket, with or without TLS. */
import http, { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http';
import https from 'node:https';
import type { Clock } from '../ports/clock.ts';
import { NameLookup } from './name-lookup.ts';
import type { PeerAddress } from './peer-address.ts';
import type { PeerTls } from './peer-tls.ts';
import type { PeerTiming } from './timing.ts';

export interface DialerOptions {
  readonly clock: Clock;
  readonly timing: PeerTiming;
  readonly tls?: PeerTls | undefined;
  readonly names?: NameLookup | undefined;
}

export interface RequestOptions {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  /** Connections to use again; without, the request gets one of its own. */
  readonly connections?: Connections | undefined;
  /** Does no harm when it arrives twice: it is sent again if a kept connection turns out to be closed. */
  readonly isRepeatable?: boolean;
}

/** Connections to one peer that are kept open between requests. */
export class Connections {
  readonly http: http.Agent;
  readonly https: https.Agent;

  constructor(max: number) {
    const options = { keepAlive: true, maxSockets: max, maxFreeSockets: max };
    this.http = new http.Agent(options);
    // A resumed session would go on with certificates that may have been replaced.
    this.https = new https.Agent({ ...options, maxCachedSessions: 0 });
  }

  close(): void {
    this.http.destroy();
    this.https.destroy();
  }
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** A connection that was kept open had been closed by the peer: the request may or may not have reached it. */
class StaleConnectionError extends Error {
  override readonly name = 'StaleConnectionError';
}

/** Of an answer that is read as a whole: a list of members, a hash, an error text. */
const ANSWER_BYTES_MAX = 4 << 20;

export class Dialer {
  readonly #clock: Clock;
  readonly #timing: PeerTiming;
  readonly #tls: PeerTls | undefined;
  readonly #names: NameLookup;

  constructor(options: DialerOptions) {
    this.#clock = options.clock;
    this.#timing = options.timing;
    this.#tls = options.tls;
    this.#names = options.names ?? new NameLookup();
  }

  /** A request whose connection is given up if it does not stand in time. The caller handles 'error' and ends it. */
  request(address: PeerAddress, options: RequestOptions): ClientRequest {
    const { method, path, headers, connections } = options;
    const common = { ...target(address), method, path, headers, lookup: this.#names.lookup };
    const request = address.secure
      ? https.request({ ...common, ...this.#tls?.dialOptions(), agent: connections?.https ?? false })
      : http.request({ ...common, agent: connections?.http ?? false });
    request.once('socket', (socket) => {
      if (!socket.connecting) return;
      const cancel = this.#clock.after(this.#timing.dialMs, () => {
        request.destroy(new Error(`no connection after ${this.#timing.dialMs} ms`));
      });
      socket.once(address.secure ? 'secureConnect' : 'connect', cancel);
      socket.once('close', cancel);
    });
    return request;
  }

  /**
   * Sends `body` and reads the whole answer. Rejects if the connection fails, the answer takes longer than `answerMs` to
   * come and end, or `signal` ends it.
   */
  async exchange(
    address: PeerAddress,
    options: RequestOptions,
    body: Uint8Array,
    answerMs: number,
    signal?: AbortSignal,
  ): Promise<Answer> {
    try {
      return await this.#exchange(address, options, body, answerMs, signal);
    } catch (error) {
      if (options.isRepeatable !== true || !(error instanceof StaleConnectionError)) throw error;
      return this.#exchange(address, { ...options, connections: undefined }, body, answerMs, signal);
    }
  }

  #exchange(
    address: PeerAddress,
    options: RequestOptions,
    body: Uint8Array,
    answerMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const headers = { ...options.headers, 'Content-Length': body.length };
      const request = this.request(address, { ...options, headers });
      const abort = (): void => void request.destroy(new Error('stopped'));
      signal?.addEventListener('abort', abort);
      const cancel = this.#clock.after(this.#timing.dialMs + answerMs, () => {
        request.destroy(new Error(`no answer after ${answerMs} ms`));
      });
      const release = (): void => {
        cancel();
        signal?.removeEventListener('abort', abort);
      };
      let isAnswered = false;
      request.on('error', (error) => {
        const isStale = request.reusedSocket && !isAnswered && 'code' in error && error.code === 'ECONNRESET';
        reject(isStale ? new StaleConnectionError('the peer had closed the connection', { cause: error }) : error);
      });
      request.on('close', release);
      request.on('response', (response) => {
        isAnswered = true;
        readAnswer(response).then(resolve, (error: unknown) => {
          request.destroy();
          reject(error instanceof Error ? error : new Error(String(error)));
        });
      });
      request.end(body);
    });
  }
}

/** Rejects if the answer is cut off or too long. */
export async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) throw new Error(`answer of more than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) };
}

function target(address: PeerAddress): { host: string; port: number } | { socketPath: string } {
  return 'path' in address ? { socketPath: address.path } : { host: address.host, port: address.port };
}
