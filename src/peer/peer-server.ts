/** The peer port: a listener per URL, with or without TLS, and one HTTP/1.1 server behind them all. */
import { rmSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type Server, type Socket } from 'node:net';
import { AssertionError, must } from '../base/assert.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { RequestTurns } from '../server/request-turns.ts';
import { BodyEndedError } from './body-reader.ts';
import { HttpFailure, answerError } from './http-answer.ts';
import { parsePeerAddress, type PeerAddress } from './peer-address.ts';
import type { PeerTls } from './peer-tls.ts';

/** Serves a request; false if its path is none of its own. */
export type PeerRoute = (path: string, request: IncomingMessage, response: ServerResponse) => Promise<boolean>;

const CONNECTIONS_MAX = 4096;
/** Beyond, for those with TLS that are not through with their handshake. */
const HANDSHAKES_MAX = 4096;
const IDLE_MS = 300_000;
/** From the first byte of a request to the end of its headers. */
const HEADERS_MS = 20_000;

export interface PeerServerOptions {
  readonly urls: readonly string[];
  readonly tls: PeerTls | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** SO_REUSEPORT. */
  readonly reusePort?: boolean | undefined;
}

export class PeerServer {
  readonly #options: PeerServerOptions;
  readonly #servers: Server[] = [];
  readonly #http: http.Server;
  readonly #sockets = new Set<Socket>();
  /** Those of them that have asked for nothing yet, oldest first; with TLS, from the end of their handshake on. */
  readonly #idle = new Set<Socket>();
  readonly #turns = new RequestTurns();
  #isClosing = false;
  readonly #socketFiles: string[] = [];
  /** Resolves when there is something to serve: requests that come earlier wait. */
  readonly #routes: Promise<readonly PeerRoute[]>;
  /** Sets #routes; a second call has no effect. */
  readonly serve: (routes: readonly PeerRoute[]) => void;

  constructor(options: PeerServerOptions) {
    this.#options = options;
    const { promise, resolve } = Promise.withResolvers<readonly PeerRoute[]>();
    this.#routes = promise;
    this.serve = resolve;
    const timeouts = { keepAliveTimeout: IDLE_MS, requestTimeout: 0, headersTimeout: HEADERS_MS };
    this.#http = http.createServer(
      { ...timeouts, connectionsCheckingInterval: HEADERS_MS / 4 },
      (request, response) => {
        void this.#serve(request, response);
      },
    );
    // It does not listen itself; this has it watch over its connections all the same, for headers that never end.
    this.#http.emit('listening');
  }

  /** Of each TCP listener, in the order of the URLs: as given, or as chosen for port 0. */
  get ports(): number[] {
    const addresses = this.#servers.map((server) => server.address());
    return addresses.flatMap((address) => (address !== null && typeof address === 'object' ? [address.port] : []));
  }

  /** Rejects, with nothing bound, if a URL is wrong or its address cannot be had. */
  async listen(): Promise<void> {
    try {
      for (const url of this.#options.urls) await this.#listen(url);
    } catch (error) {
      await this.close(0);
      throw error;
    }
  }

  /** Takes no more connections, and ends those that stand after `lingerMs`. */
  async close(lingerMs: number): Promise<void> {
    this.#isClosing = true;
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    this.#http.closeIdleConnections();
    const cancel = this.#options.clock.after(lingerMs, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await Promise.all(closed);
    this.#http.close();
    cancel();
    for (const file of this.#socketFiles) rmSync(file, { force: true });
  }

  async #listen(url: string): Promise<void> {
    const address = parsePeerAddress(url);
    if (address === undefined) throw new Error(`cannot listen on ${url}: it is no peer URL`);
    const server = this.#create(address);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        reject(new Error(`cannot listen on ${url}: ${error.message}`, { cause: error }));
      });
      if ('path' in address) server.listen(address.path, resolve);
      else
        server.listen({ port: address.port, host: address.host, reusePort: this.#options.reusePort ?? false }, resolve);
    });
    server.on('error', (error) => this.#options.logger.error('peer listener failed', { url, error }));
    this.#servers.push(server);
    if ('path' in address) this.#socketFiles.push(address.path);
  }

  #create(address: PeerAddress): Server {
    const { tls } = this.#options;
    const onConnection = (socket: Socket): void => this.#accept(socket);
    const server = address.secure
      ? must(tls, `TLS for ${address.url}`).createServer({ onSecure: onConnection })
      : net.createServer({ noDelay: true, allowHalfOpen: true }, onConnection);
    server.maxConnections = CONNECTIONS_MAX + HANDSHAKES_MAX;
    // With TLS, the connection below it: also while its handshake goes on.
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
    return server;
  }

  #accept(socket: Socket): void {
    // A handshake may end after the listener did.
    if (this.#isClosing) {
      socket.destroy();
      return;
    }
    socket.on('error', () => socket.destroy());
    this.#idle.add(socket);
    socket.once('close', () => this.#idle.delete(socket));
    // Members say at once what they want.
    const [oldest] = this.#idle;
    if (this.#sockets.size > CONNECTIONS_MAX) oldest?.destroy();
    this.#http.emit('connection', socket);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // What breaks a connection shows where its body is read or its stream is written.
    request.on('error', () => {});
    response.on('error', () => {});
    const { socket } = request;
    if (socket.destroyed) return;
    this.#idle.delete(socket);
    const before = this.#turns.enter(socket, new Promise((resolve) => response.on('close', resolve)));
    if (before === false) {
      socket.destroy();
      return;
    }
    if (before !== undefined) await before;
    if (response.destroyed) return;
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    try {
      for (const route of await this.#routes)
        if (await route(path, request, response)) return finish(request, response);
      answerError(response, 404, '404 page not found');
    } catch (error) {
      this.#fail(error, path, response);
      // A state that cannot be: nobody may go on from there. Not handled by anyone, it ends the process.
      if (error instanceof AssertionError) throw error;
    }
    finish(request, response);
  }

  #fail(error: unknown, path: string, response: ServerResponse): void {
    if (response.destroyed || response.headersSent) response.destroy();
    else if (error instanceof HttpFailure) answerError(response, error.status, error.message);
    else if (error instanceof BodyEndedError) answerError(response, 400, error.message);
    else {
      this.#options.logger.error('peer request failed', { path, error });
      answerError(response, 500, 'Internal Server Error');
    }
  }
}

/** An answer given before the request was read to its end ends the connection: the rest is not worth waiting for. */
function finish(request: IncomingMessage, response: ServerResponse): void {
  if (!response.writableEnded) return;
  if (request.complete) request.resume();
  else if (response.writableFinished) request.destroy();
  else response.once('finish', () => request.destroy());
}
