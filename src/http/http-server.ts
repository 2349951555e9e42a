/** HTTP/1.1 over connections that somebody else accepted. */

import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { Logger } from '../ports/logger.ts';
import { plainStatus } from './http-message.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';

/** How long a connection may stay without a request, or without the next byte of one. */
const IDLE_TIMEOUT_MS = 300_000;

export class HttpServer {
  readonly #handler: HttpHandler;
  readonly #logger: Logger;
  readonly #server: http.Server;
  /** Open connections, and for each how many requests it is being answered. */
  readonly #busy = new Map<Socket, number>();
  #isStopping = false;
  #onEmpty: (() => void) | undefined;

  constructor(handler: HttpHandler, logger: Logger, idleTimeoutMs = IDLE_TIMEOUT_MS) {
    this.#handler = handler;
    this.#logger = logger;
    const options = { keepAliveTimeout: idleTimeoutMs, requestTimeout: 0 };
    this.#server = http.createServer(options, (request, response) => void this.#serve(request, response));
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
    this.#busy.set(socket, (this.#busy.get(socket) ?? 0) + 1);
    out.on('close', () => {
      const requests = this.#busy.get(socket);
      if (requests === undefined) return;
      this.#busy.set(socket, requests - 1);
      if (this.#isStopping && requests === 1) socket.end();
    });
    message.resume();
    const response = await this.#answer(requestOf(message));
    if (this.#isStopping) out.setHeader('Connection', 'close');
    out.writeHead(response.status, { ...response.headers, 'Content-Length': Buffer.byteLength(response.body) });
    out.end(response.body);
  }

  async #answer(request: HttpRequest): Promise<HttpResponse> {
    try {
      return await this.#handler(request);
    } catch (error) {
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      this.#logger.error('HTTP handler failed', { path: request.path, error: text });
      return plainStatus(500, 'Internal Server Error');
    }
  }
}

function requestOf(message: IncomingMessage): HttpRequest {
  const target = message.url ?? '/';
  const at = target.indexOf('?');
  return {
    method: message.method ?? 'GET',
    path: decode(at < 0 ? target : target.slice(0, at)),
    query: new URLSearchParams(at < 0 ? '' : target.slice(at + 1)),
    header: (name) => {
      const value = message.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    isTls: message.socket instanceof TLSSocket,
  };
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
