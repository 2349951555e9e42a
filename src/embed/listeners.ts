/** The sockets a server listens on. They are bound before anything is written, and hold connections back until it serves. */
import type { Socket } from 'node:net';
import type { ServerConfig } from '../config/server-config.ts';
import { placeOf, type UrlAddress } from '../config/url-address.ts';
import type { Logger } from '../ports/logger.ts';
import { ClientListener, type ListenAddress } from '../rpc/client-listener.ts';
import type { ConnectionSink, ListenerTls } from '../rpc/connection.ts';

/** Connections that wait for the server to start; beyond, they are closed. */
const WAITING_MAX = 4096;

/** Keeps connections until it is opened. */
class Gate implements ConnectionSink {
  #sink: ConnectionSink | undefined;
  readonly #waiting = new Set<Socket>();

  accept(socket: Socket): void {
    if (this.#sink !== undefined) this.#sink.accept(socket);
    else if (this.#waiting.size < WAITING_MAX) this.#keep(socket);
    else socket.destroy();
  }

  open(sink: ConnectionSink): void {
    this.#sink = sink;
    for (const socket of this.#waiting) {
      this.#release(socket);
      if (!socket.destroyed) sink.accept(socket);
    }
  }

  close(): void {
    for (const socket of this.#waiting) socket.destroy();
  }

  /** Nobody else looks after it meanwhile: one whose client gives up must not end the process. */
  #keep(socket: Socket): void {
    this.#waiting.add(socket);
    socket.on('error', ignore);
    socket.on('close', this.#gone);
  }

  #release(socket: Socket): void {
    this.#waiting.delete(socket);
    socket.off('error', ignore);
    socket.off('close', this.#gone);
  }

  readonly #gone = (): void => {
    for (const socket of this.#waiting) if (socket.destroyed) this.#waiting.delete(socket);
  };
}

function ignore(): void {}

export interface Sinks {
  readonly grpc: ConnectionSink;
  readonly http: ConnectionSink;
  /** HTTP on the metrics listeners. */
  readonly metrics: ConnectionSink;
}

/** What one kind of listener does with a connection. */
interface Serving {
  readonly http2: ConnectionSink | undefined;
  readonly http1: ConnectionSink | undefined;
}

export class Listeners {
  readonly #config: ServerConfig;
  readonly #tls: ListenerTls | undefined;
  readonly #logger: Logger;
  readonly #listeners: ClientListener[] = [];
  readonly #gates = { grpc: new Gate(), http: new Gate(), metrics: new Gate() };
  /** The port of each listen-client-url; 0 for a unix socket. */
  clientPorts: readonly number[] = [];

  private constructor(config: ServerConfig, tls: ListenerTls | undefined, logger: Logger) {
    this.#config = config;
    this.#tls = tls;
    this.#logger = logger;
  }

  /** `tls`: for URLs that are secure. Rejects with an Error that names the URL when an address cannot be had. */
  static async bind(config: ServerConfig, tls: ListenerTls | undefined, logger: Logger): Promise<Listeners> {
    const listeners = new Listeners(config, tls, logger);
    try {
      await listeners.#bindAll();
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
    this.#report();
  }

  close(): void {
    for (const listener of this.#listeners) listener.close();
    for (const gate of Object.values(this.#gates)) gate.close();
  }

  async #bindAll(): Promise<void> {
    const { listenClientUrls, listenClientHttpUrls, listenMetricsUrls } = this.#config;
    const { grpc, http, metrics } = this.#gates;
    const isSplit = listenClientHttpUrls.length > 0;
    this.clientPorts = await this.#bindEach(listenClientUrls, { http2: grpc, http1: isSplit ? undefined : http });
    await this.#bindEach(listenClientHttpUrls, { http2: undefined, http1: http });
    await this.#bindEach(listenMetricsUrls, { http2: undefined, http1: metrics });
  }

  /** Resolves with the port of each URL. One address may be given twice, with TLS and without: one listener serves both. */
  async #bindEach(urls: readonly UrlAddress[], serving: Serving): Promise<number[]> {
    const portByPlace = new Map<string, number>();
    for (const [place, same] of Map.groupBy(urls, placeOf)) portByPlace.set(place, await this.#bind(same, serving));
    return urls.map((url) => portByPlace.get(placeOf(url)) ?? 0);
  }

  async #bind(urls: readonly UrlAddress[], serving: Serving): Promise<number> {
    const [url] = urls;
    if (url === undefined) return 0;
    try {
      const listener = await ClientListener.open({
        ...serving,
        address: addressOf(url),
        logger: this.#logger,
        tls: urls.some(({ secure }) => secure) ? this.#tls : undefined,
        alsoPlaintext: urls.some(({ secure }) => !secure),
        reusePort: this.#config.reusePort,
      });
      this.#listeners.push(listener);
      return listener.port;
    } catch (error) {
      throw new Error(`cannot listen on ${url.text}: ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }

  #report(): void {
    const { listenClientUrls, listenClientHttpUrls, listenMetricsUrls } = this.#config;
    const serving = (urls: readonly UrlAddress[], traffic: string): void => {
      for (const { text: address, secure } of urls) {
        const message = secure
          ? 'serving client traffic securely'
          : 'serving client traffic insecurely; this is strongly discouraged!';
        this.#logger.info(message, { traffic, address });
      }
    };
    serving(listenClientUrls, listenClientHttpUrls.length > 0 ? 'grpc' : 'grpc+http');
    serving(listenClientHttpUrls, 'http');
    for (const { text: address } of listenMetricsUrls) this.#logger.info('serving metrics', { address });
  }
}

function addressOf(url: UrlAddress): ListenAddress {
  return url.kind === 'unix' ? { path: url.path } : { host: url.host, port: url.port };
}
