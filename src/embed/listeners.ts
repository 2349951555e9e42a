/** The sockets a server listens on. They are bound before anything is written, and hold connections back until it serves. */
import type { Socket } from 'node:net';
import type { ServerConfig } from '../config/server-config.ts';
import type { UrlAddress } from '../config/url-address.ts';
import type { Logger } from '../ports/logger.ts';
import { ClientListener, type ListenAddress } from '../rpc/client-listener.ts';
import type { ConnectionSink } from '../rpc/connection.ts';

/** Connections that wait for the server to start; beyond, they are closed. */
const WAITING_MAX = 4096;

/** Keeps connections until it is opened. */
class Gate implements ConnectionSink {
  #sink: ConnectionSink | undefined;
  #waiting: Socket[] = [];

  accept(socket: Socket): void {
    if (this.#sink !== undefined) this.#sink.accept(socket);
    else if (this.#waiting.length < WAITING_MAX) this.#waiting.push(socket);
    else socket.destroy();
  }

  open(sink: ConnectionSink): void {
    this.#sink = sink;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const socket of waiting) if (!socket.destroyed) sink.accept(socket);
  }

  close(): void {
    for (const socket of this.#waiting) socket.destroy();
  }
}

export interface Sinks {
  readonly grpc: ConnectionSink;
  readonly http: ConnectionSink;
  /** HTTP on the metrics listeners. */
  readonly metrics: ConnectionSink;
}

export class Listeners {
  readonly #listeners: ClientListener[] = [];
  readonly #gates = { grpc: new Gate(), http: new Gate(), metrics: new Gate() };
  /** The port of each listen-client-url; 0 for a unix socket. */
  readonly clientPorts: number[] = [];

  /** Rejects with an Error that names the URL when an address cannot be had. */
  static async bind(config: ServerConfig, logger: Logger): Promise<Listeners> {
    const listeners = new Listeners();
    const { grpc, http, metrics } = listeners.#gates;
    try {
      for (const url of config.listenClientUrls) {
        const { port } = await listeners.#bind(url, grpc, http, logger);
        listeners.clientPorts.push(port);
      }
      for (const url of config.listenMetricsUrls) await listeners.#bind(url, undefined, metrics, logger);
    } catch (error) {
      listeners.close();
      throw error;
    }
    return listeners;
  }

  /** From now on connections are served. */
  open(sinks: Sinks): void {
    this.#gates.grpc.open(sinks.grpc);
    this.#gates.http.open(sinks.http);
    this.#gates.metrics.open(sinks.metrics);
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
    for (const gate of Object.values(this.#gates)) gate.close();
  }

  async #bind(
    url: UrlAddress,
    http2: ConnectionSink | undefined,
    http1: ConnectionSink,
    logger: Logger,
  ): Promise<ClientListener> {
    try {
      const listener = await ClientListener.open({ address: addressOf(url), http2, http1, logger });
      this.#listeners.push(listener);
      return listener;
    } catch (error) {
      throw new Error(`cannot listen on ${url.text}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
}

function addressOf(url: UrlAddress): ListenAddress {
  return url.kind === 'unix' ? { path: url.path } : { host: url.host, port: url.port };
}
