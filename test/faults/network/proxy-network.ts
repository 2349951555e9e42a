import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '../../../src/base/random.ts';
import { freePort } from '../../support/free-port.ts';
import type { Command } from '../../support/server-process.ts';
import { dialerOf } from './dialer.ts';
import { Flow } from './flow.ts';
import { type Address, CLIENTS, type LinkCondition, type Network } from './network.ts';

export const PROXY_CONDITIONS: ReadonlySet<keyof LinkCondition> = new Set([
  'blocked',
  'delayMs',
  'jitterMs',
  'bytesPerSecond',
  'lossChance',
]);

interface Connection {
  readonly parties: readonly [string, string];
  readonly sockets: readonly Socket[];
}

interface Place {
  readonly pidOf: () => number | undefined;
  readonly servers: readonly Server[];
}

/**
 * Links as TCP proxies in this process, in front of every member: the peer URL that the others know is a proxy's, which finds
 * out who is calling and passes on each direction as the link between the two tells. Needs no rights and no tools.
 */
export class ProxyNetwork implements Network {
  readonly kind = 'proxy';
  readonly conditions = PROXY_CONDITIONS;
  readonly #random: Random;
  readonly #places = new Map<string, Place>();
  readonly #flows = new Map<string, Flow>();
  readonly #connections = new Set<Connection>();
  /** All that are open, those included of which it is not known yet who called. */
  readonly #sockets = new Set<Socket>();
  #closed = false;

  constructor(random: Random) {
    this.#random = random;
  }

  async place(name: string, pidOf: () => number | undefined): Promise<Address> {
    const [peerPort, clientPort] = [await freePort(), await freePort()];
    const peers = await this.#listen((socket) => this.#fromPeer(socket, name, peerPort));
    const clients = await this.#listen((socket) => this.#open(socket, CLIENTS, name, clientPort));
    this.#places.set(name, { pidOf, servers: [peers, clients] });
    return {
      listenPeerUrl: `http://127.0.0.1:${peerPort}`,
      peerUrl: `http://127.0.0.1:${portOf(peers)}`,
      listenClientUrl: `http://127.0.0.1:${clientPort}`,
      endpoint: `127.0.0.1:${portOf(clients)}`,
      directEndpoint: `127.0.0.1:${clientPort}`,
    };
  }

  command(_name: string, command: Command): Command {
    return command;
  }

  set(from: string, to: string, condition: LinkCondition): void {
    const flow = this.#flow(from, to);
    flow.condition = condition;
    // Who was waiting for an answer to its call has long given up.
    if (!flow.blocked)
      for (const pending of this.#between(from, to)) if (pending.sockets.length === 1) destroy(pending);
  }

  cut(one: string, other: string): void {
    for (const connection of this.#between(one, other)) destroy(connection);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
    const servers = [...this.#places.values()].flatMap((place) => place.servers);
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #listen(onConnection: (socket: Socket) => void): Promise<Server> {
    const server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      this.#track(socket);
      onConnection(socket);
    });
    server.listen(await freePort(), '127.0.0.1');
    await once(server, 'listening');
    return server;
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => this.#sockets.delete(socket));
  }

  #fromPeer(socket: Socket, to: string, port: number): void {
    const pids = new Map<string, number>();
    for (const [name, { pidOf }] of this.#places) {
      const pid = pidOf();
      if (pid !== undefined) pids.set(name, pid);
    }
    dialerOf(socket.remotePort ?? 0, pids).then(
      (from) => (from === undefined ? socket.destroy() : this.#open(socket, from, to, port)),
      () => socket.destroy(),
    );
  }

  #open(near: Socket, from: string, to: string, port: number): void {
    if (this.#closed || near.destroyed) {
      near.destroy();
      return;
    }
    const there = this.#flow(from, to);
    const back = this.#flow(to, from);
    if (there.blocked || back.blocked) {
      // No handshake comes about: the caller waits.
      this.#remember({ parties: [from, to], sockets: [near] });
      return;
    }
    const far = connect({ host: '127.0.0.1', port, allowHalfOpen: true, noDelay: true });
    const connection: Connection = { parties: [from, to], sockets: [near, far] };
    this.#track(far);
    far.on('error', () => near.resetAndDestroy());
    this.#remember(connection);
    there.join(near, far);
    back.join(far, near);
    near.resume();
  }

  #remember(connection: Connection): void {
    this.#connections.add(connection);
    let left = connection.sockets.length;
    const closed = (): void => {
      if (--left === 0) this.#connections.delete(connection);
    };
    for (const socket of connection.sockets) socket.once('close', closed);
  }

  #between(one: string, other: string): Connection[] {
    return [...this.#connections].filter(({ parties }) => parties.includes(one) && parties.includes(other));
  }

  #flow(from: string, to: string): Flow {
    const name = `${from} ${to}`;
    let flow = this.#flows.get(name);
    if (flow === undefined) {
      flow = new Flow(this.#random);
      this.#flows.set(name, flow);
    }
    return flow;
  }
}

function destroy({ sockets }: Connection): void {
  for (const socket of sockets) socket.resetAndDestroy();
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
  return address.port;
}
