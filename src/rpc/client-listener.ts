/**
 * A listening socket that serves gRPC and HTTP/1.1 side by side (etcd-behaviour §5.1): the first bytes of a connection say
 * which it is.
 */

import fs from 'node:fs';
import net from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import tls from 'node:tls';
import type { Logger } from '../ports/logger.ts';
import type { ConnectionSink } from './connection.ts';

/** How an HTTP/2 connection starts; no HTTP/1.1 method begins like this. */
const HTTP2_PREFACE = Buffer.from('PRI ');
const FIRST_BYTES_TIMEOUT_MS = 300_000;
const TLS_HANDSHAKE_TIMEOUT_MS = 10_000;
const BACKLOG = 4096;

export type ListenAddress = { readonly host: string; readonly port: number } | { readonly path: string };

export interface ClientListenerOptions {
  readonly address: ListenAddress;
  /** Where HTTP/2 connections go; undefined: they are closed. */
  readonly http2: ConnectionSink | undefined;
  /** Where all others go; undefined: they are closed. */
  readonly http1: ConnectionSink | undefined;
  /** Given: the listener speaks TLS. */
  readonly tls?: tls.TlsOptions;
  readonly logger: Logger;
}

export class ClientListener {
  readonly #options: ClientListenerOptions;
  readonly #server: net.Server;
  /** Connections that have not said yet what they are. */
  readonly #undecided = new Set<Socket>();

  private constructor(options: ClientListenerOptions) {
    this.#options = options;
    this.#server = options.tls === undefined ? this.#plainServer() : this.#tlsServer(options.tls);
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
    this.#server.close();
    for (const socket of this.#undecided) socket.destroy();
  }

  #plainServer(): net.Server {
    return net.createServer({ noDelay: true }, (socket) => this.#onConnection(socket));
  }

  #tlsServer(options: tls.TlsOptions): net.Server {
    const server = tls.createServer(
      { ALPNProtocols: ['h2', 'http/1.1'], handshakeTimeout: TLS_HANDSHAKE_TIMEOUT_MS, ...options },
      (socket) => this.#onConnection(socket),
    );
    server.on('connection', (socket) => socket.setNoDelay(true));
    server.on('tlsClientError', (error, socket) => {
      const remote = `${socket.remoteAddress ?? ''}:${socket.remotePort ?? ''}`;
      this.#options.logger.warn('rejected connection on client endpoint', {
        'remote-addr': remote,
        error: error.message,
      });
    });
    return server;
  }

  #listen(): Promise<void> {
    const { address } = this.#options;
    if ('path' in address) removeStaleSocket(address.path);
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ ...address, backlog: BACKLOG }, () => {
        this.#server.off('error', reject);
        this.#server.on('error', (error) =>
          this.#options.logger.warn('client listener failed', { error: error.message }),
        );
        resolve();
      });
    });
  }

  #onConnection(socket: Socket): void {
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

/** A socket file that a killed server left behind would be in the way; a live server's is left alone by the lock on its data. */
function removeStaleSocket(path: string): void {
  if (fs.existsSync(path) && fs.statSync(path).isSocket()) fs.unlinkSync(path);
}
