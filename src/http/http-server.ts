/** HTTP/1.1 over connections that somebody else accepted. */

import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Logger } from '../ports/logger.ts';
import { RequestTurns } from '../server/request-turns.ts';
import { plainStatus } from './http-message.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';

/** How long a connection may stay without a request, or without the next byte of one. */
const IDLE_TIMEOUT_MS = 300_000;
/** From the first byte of a request to the end of its headers. */
const HEADERS_TIMEOUT_MS = 20_000;

/** What may come around a body, at first and for each of its bytes: a body in chunks of a byte takes six times its length. */
const WRAPPING_MIN = 256 * 1024;
const WRAPPING_FACTOR = 4;

export class HttpServer {
  readonly #handler: HttpHandler;
  readonly #logger: Logger;
  readonly #server: http.Server;
  /** Open connections, and for each how many requests it is being answered. */
  readonly #busy = new Map<Socket, number>();
  readonly #turns = new RequestTurns();
  #isStopping = false;
  #onEmpty: (() => void) | undefined;

  constructor(
    handler: HttpHandler,
    logger: Logger,
    idleTimeoutMs = IDLE_TIMEOUT_MS,
    headersTimeoutMs = HEADERS_TIMEOUT_MS,
  ) {
    this.#handler = handler;
    this.#logger = logger;
    const options = {
      keepAliveTimeout: idleTimeoutMs,
      requestTimeout: 0,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: headersTimeoutMs / 4,
    };
    this.#server = http.createServer(options, (request, response) => void this.#serve(request, response));
    // It does not listen itself; this has it watch over its connections all the same, for headers that never end.
    this.#server.emit('listening');
    // The only timeout that works for a server that does not listen itself.
    this.#server.setTimeout(idleTimeoutMs, (socket) => {
      if (this.#busy.get(socket) === 0) socket.destroy();
    });
  }

  get connections(): number {
    return this.#busy.size;
  }

  accept(socket: Socket): void {
    this.#busy.set(socket, 0);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#busy.delete(socket);
      if (this.#busy.size === 0) this.#onEmpty?.();
    });
    this.#server.emit('connection', socket);
  }

  /** Closes idle connections now, busy ones after their answer or, by force, after `graceMs`. */
  async stop(graceMs: number): Promise<void> {
    this.#isStopping = true;
    this.#server.close();
    for (const [socket, requests] of this.#busy) if (requests === 0) socket.destroy();
    if (this.#busy.size === 0) return;
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
    });
    const force = setTimeout(() => {
      for (const socket of this.#busy.keys()) socket.destroy();
    }, graceMs);
    await empty;
    clearTimeout(force);
  }

  async #serve(message: IncomingMessage, out: ServerResponse): Promise<void> {
    const { socket } = message;
    if (socket.destroyed) return;
    const before = this.#turns.enter(socket, new Promise((resolve) => out.on('close', resolve)));
    if (before === false) {
      socket.destroy();
      return;
    }
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
    out.on('close', () => {
      const requests = this.#busy.get(socket);
      if (requests === undefined) return;
      this.#busy.set(socket, requests - 1);
      if (this.#isStopping && requests === 1) socket.end();
    });
    out.on('finish', () => {
      // The next request would begin somewhere behind the rest of this one.
      if (!message.complete) socket.end();
    });
    if (before !== undefined) await before;
    if (out.destroyed) return;
    const request = new NodeRequest(message, out);
    const response = await this.#answer(request);
    if (!request.isBodyRead) message.resume();
    if (this.#isStopping) out.setHeader('Connection', 'close');
    const { status, headers, body } = response;
    if (typeof body === 'string' || body instanceof Uint8Array) {
      out.writeHead(status, { ...headers, 'Content-Length': Buffer.byteLength(body) });
      out.end(body);
    } else {
      out.writeHead(status, headers);
      out.flushHeaders();
      await this.#sendParts(request.path, out, body);
    }
  }

  async #sendParts(path: string, out: ServerResponse, parts: AsyncIterable<string>): Promise<void> {
    try {
      for await (const part of parts) {
        if (out.destroyed) return;
        if (!out.write(part)) await drained(out);
      }
      out.end();
    } catch (error) {
      // The client sees that the answer is cut short.
      this.#logFailure(path, error);
      out.destroy();
    }
  }

  async #answer(request: HttpRequest): Promise<HttpResponse> {
    try {
      return await this.#handler(request);
    } catch (error) {
      if (!request.signal.aborted) this.#logFailure(request.path, error);
      return plainStatus(500, 'Internal Server Error');
    }
  }

  #logFailure(path: string, error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#logger.error('HTTP handler failed', { path, error: text });
  }
}

/** Resolves when more can be written, or never will. */
function drained(out: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      out.off('drain', done).off('close', done);
      resolve();
    };
    out.on('drain', done).on('close', done);
    if (out.destroyed) done();
  });
}

class NodeRequest implements HttpRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly isTls: boolean;
  isBodyRead = false;
  readonly #message: IncomingMessage;
  readonly #gone = new AbortController();

  constructor(message: IncomingMessage, out: ServerResponse) {
    this.#message = message;
    const target = message.url ?? '/';
    const at = target.indexOf('?');
    this.method = message.method ?? 'GET';
    this.path = decode(at < 0 ? target : target.slice(0, at));
    this.query = new URLSearchParams(at < 0 ? '' : target.slice(at + 1));
    this.isTls = message.socket instanceof TLSSocket;
    out.on('close', () => {
      if (!out.writableFinished) this.#gone.abort();
    });
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  get body(): AsyncIterable<Uint8Array> {
    this.isBodyRead = true;
    return this.#parts();
  }

  abort(): void {
    this.#message.socket.destroy();
  }

  header(name: string): string | undefined {
    const value = this.#message.headers[name];
    return Array.isArray(value) ? value[0] : value;
  }

  /** Reading may stop early without an end of the connection. */
  async *#parts(): AsyncGenerator<Uint8Array> {
    const { socket } = this.#message;
    const before = socket.bytesRead;
    let bytes = 0;
    for await (const chunk of this.#message.iterator({ destroyOnReturn: false })) {
      bytes += (chunk as Uint8Array).length;
      if (socket.bytesRead - before > WRAPPING_MIN + WRAPPING_FACTOR * bytes) {
        socket.destroy();
        throw new Error('the body comes in chunks that are too small');
      }
      yield chunk as Uint8Array;
    }
  }
}

/** A path that is not valid percent-encoding stands for itself: no route has it. */
function decode(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}
