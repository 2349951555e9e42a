/**
 * gRPC over our own HTTP/2 framing. Everything that the calls of one turn of the event loop answer goes to each socket in one
 * write at the end of that turn.
 */

import type { Socket } from 'node:net';
import { resolveTransportOptions } from '../transport-options.ts';
import type { ResolvedTransportOptions, RpcTransport, TransportOptions } from '../transport-options.ts';
import { H2Connection } from './h2-connection.ts';
import type { ConnectionOwner } from './h2-connection.ts';

export class H2Transport implements RpcTransport, ConnectionOwner {
  readonly options: ResolvedTransportOptions;
  readonly #connections = new Set<H2Connection>();
  #flushDue: H2Connection[] = [];
  #onIdle: (() => void) | undefined;

  constructor(options: TransportOptions) {
    this.options = resolveTransportOptions(options);
  }

  get connections(): number {
    return this.#connections.size;
  }

  accept(socket: Socket): void {
    this.#connections.add(new H2Connection(socket, this));
  }

  async stop(graceMs: number): Promise<void> {
    if (this.#connections.size === 0) return;
    const idle = new Promise<void>((resolve) => {
      this.#onIdle = resolve;
    });
    for (const connection of this.#connections) connection.goAway();
    const cancel = this.options.clock.after(graceMs, () => {
      for (const connection of this.#connections) connection.destroy();
    });
    await idle;
    cancel();
  }

  flushLater(connection: H2Connection): void {
    connection.isFlushDue = true;
    this.#flushDue.push(connection);
    if (this.#flushDue.length === 1) setImmediate(() => this.#flush());
  }

  closed(connection: H2Connection): void {
    this.#connections.delete(connection);
    if (this.#connections.size === 0) this.#onIdle?.();
  }

  #flush(): void {
    const due = this.#flushDue;
    this.#flushDue = [];
    for (const connection of due) connection.flush();
  }
}
