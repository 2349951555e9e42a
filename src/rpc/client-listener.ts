/**
 * A listening socket that serves gRPC and HTTP/1.1 side by side (etcd-behaviour §5.1): the first bytes of a connection say
 * which it is.
 */

import fs from 'node:fs';
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import type { Logger } from '../ports/logger.ts';
import { LimitedLogger } from '../server/limited-logger.ts';
import type { ConnectionSink, ListenerTls } from './connection.ts';

/** How an HTTP/2 connection starts; no HTTP/1.1 method begins like this. */
const HTTP2_PREFACE = Buffer.from('PRI ');
/** How a TLS handshake starts: the type of its record. */
const TLS_HANDSHAKE = 0x16;
const FIRST_BYTES_TIMEOUT_MS = 300_000;
const BACKLOG = 4096;
/** Where the system allows so many files; the log and the database need some, too. */
const CONNECTIONS_MAX = Math.min(16_384, Math.max(64, openFilesMax() - 512));

export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ClientListenerOptions {
  readonly address: ListenAddress;
  /** Where HTTP/2 connections go; undefined: they are closed. */
  readonly http2: ConnectionSink | undefined;
  /** Where all others go; undefined: they are closed. */
  readonly http1: ConnectionSink | undefined;
  /** Given: the listener speaks TLS. */
  readonly tls?: ListenerTls | undefined;
  /** With `tls`: it serves those that do without, too. */
  readonly alsoPlaintext?: boolean;
  readonly logger: Logger;
  /** SO_REUSEPORT. */
  readonly reusePort?: boolean;
}

export class ClientListener {
  readonly #options: ClientListenerOptions;
  readonly #server: net.Server;
  /** Connections that have not said yet what they are. */
  readonly #undecided = new Set<Socket>();
  /** All that were accepted and are open. */
  readonly #open = new Set<Socket>();
  readonly #refused: LimitedLogger;
  #isClosed = false;

  private constructor(options: ClientListenerOptions) {
    this.#options = options;
    this.#refused = new LimitedLogger(options.logger);
    const { tls, alsoPlaintext = false } = options;
    const secure = tls === undefined ? undefined : this.#tlsServer(tls);
    this.#server = secure === undefined || alsoPlaintext ? this.#plainServer(secure) : secure;
    this.#server.prependListener('connection', (socket: Socket) => this.#count(socket));
  }

  /** Rejects with the system's error (EADDRINUSE...) when the address cannot be had. */
  static async open(options: ClientListenerOptions): Promise<ClientListener> {
    const listener = new ClientListener(options);
    await listener.#listen();
    return listener;
  }

  /** The TCP port, or 0 for a unix socket. */
  get port(): number {
    const address = this.#server.address();
    return address === null || typeof address === 'string' ? 0 : (address satisfies AddressInfo).port;
  }

  /** Stops accepting. Connections handed on are their sinks' business. */
  close(): void {
    this.#isClosed = true;
    this.#server.close();
    for (const socket of this.#undecided) socket.destroy();
  }

  /** `secure`: where connections go that begin with a handshake. */
  #plainServer(secure: net.Server | undefined): net.Server {
    return net.createServer({ noDelay: true }, (socket) => this.#onConnection(socket, secure));
  }

  #tlsServer(tls: ListenerTls): net.Server {
    const { http1, http2 } = this.#options;
    return tls.createServer({
      chooseProtocol: (offered) => chooseProtocol(offered, http1 !== undefined, http2 !== undefined),
      onSecure: (socket) => {
        // A handshake may end after the listener did.
        if (this.#isClosed) socket.destroy();
        else this.#onConnection(socket, undefined);
      },
    });
  }

  #listen(): Promise<void> {
    const { address, reusePort = false } = this.#options;
    if ('path' in address) removeStaleSocket(address.path);
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ ...address, backlog: BACKLOG, reusePort }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) =>
          this.#options.logger.warn('client listener failed', { error: error.message }),
        );
        resolve();
      });
    });
  }

  /** At the limit, one that has not said anything yet makes room for the new one, if there is any. */
  #count(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
    if (this.#open.size <= CONNECTIONS_MAX) return;
    const [oldest = socket] = this.#undecided;
    this.#refused.warn('too many client connections: closing one', { limit: CONNECTIONS_MAX });
    oldest.destroy();
  }

  #onConnection(socket: Socket, secure: net.Server | undefined): void {
    if (socket.destroyed) return;
    const timer = setTimeout(() => socket.destroy(), FIRST_BYTES_TIMEOUT_MS).unref();
    const onGone = (): void => {
      socket.destroy();
      forget();
    };
    let head: Buffer = Buffer.alloc(0);
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      head = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
      if (secure !== undefined && head[0] === TLS_HANDSHAKE) {
        forget();
        socket.unshift(head);
        secure.emit('connection', socket);
        return;
      }
      const compared = Math.min(head.length, HTTP2_PREFACE.length);
      const isHttp2 = head.compare(HTTP2_PREFACE, 0, compared, 0, compared) === 0;
      if (isHttp2 && compared < HTTP2_PREFACE.length) return;
      forget();
      socket.unshift(head);
      this.#handOn(socket, isHttp2);
    };
    const forget = (): void => {
      clearTimeout(timer);
      this.#undecided.delete(socket);
      socket.off('readable', onReadable).off('error', onGone).off('end', onGone).off('close', onGone);
    };
    this.#undecided.add(socket);
    socket.on('readable', onReadable).on('error', onGone).on('end', onGone).on('close', onGone);
  }

  #handOn(socket: Socket, isHttp2: boolean): void {
    const sink = isHttp2 ? this.#options.http2 : this.#options.http1;
    if (sink === undefined) socket.destroy();
    else sink.accept(socket);
  }
}

/**
 * What a client that names several protocols is answered. One that speaks HTTP/1.1 too is no gRPC client, which could not do
 * with it, but a browser or curl: the REST paths are served in HTTP/1.1.
 */
function chooseProtocol(offered: readonly string[], hasHttp1: boolean, hasHttp2: boolean): string | undefined {
  if (hasHttp1 && offered.includes('http/1.1')) return 'http/1.1';
  return hasHttp2 && offered.includes('h2') ? 'h2' : undefined;
}

/** Of this process. */
function openFilesMax(): number {
  try {
    const line = /^Max open files\s+(\d+)/m.exec(fs.readFileSync('/proc/self/limits', 'latin1'));
    return line === null ? Infinity : Number(line[1]);
  } catch {
    return Infinity;
  }
}

/** A socket file that a killed server left behind would be in the way; a live server's is left alone by the lock on its data. */
function removeStaleSocket(path: string): void {
  if (fs.existsSync(path) && fs.statSync(path).isSocket()) fs.unlinkSync(path);
}
