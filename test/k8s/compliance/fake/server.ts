/** A small API server of its own, without etcd: proves that the checks can pass, and, broken on purpose, that they can fail. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WatchEvent } from '../kube-object.ts';
import { acceptOf, CHANNEL, closeFrame, EXEC_PROTOCOL, messageFrame } from '../web-socket.ts';
import { type Behaviour, type FakeRequest, parsePath, SoundBehaviour, watchFilter } from './behaviour.ts';
import { Controllers, type Intervals } from './controllers.ts';
import { type Change, FakeStore } from './store.ts';

export type Break = (sound: Behaviour) => Behaviour;

export class FakeApiServer {
  readonly #store = new FakeStore();
  #behaviour: Behaviour;
  readonly #controllers: Controllers;
  readonly #server: Server;

  static async start(intervals: Intervals): Promise<FakeApiServer> {
    const server = new FakeApiServer(intervals);
    await new Promise<void>((resolve) => server.#server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  private constructor(intervals: Intervals) {
    this.#behaviour = new SoundBehaviour(this.#store);
    this.#controllers = new Controllers(this.#store, intervals);
    this.#server = createServer((request, response) => void this.#serve(request, response));
    this.#server.on('upgrade', (request: IncomingMessage, socket: Duplex) => this.#exec(request, socket));
  }

  /** From now on it behaves like this. */
  breakWith(breakIt: Break): void {
    this.#behaviour = breakIt(this.#behaviour);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#controllers.stop();
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #serve(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { pathname, searchParams } = new URL(incoming.url ?? '', 'http://fake');
    const request: FakeRequest = {
      method: incoming.method ?? '',
      path: pathname,
      query: searchParams,
      contentType: incoming.headers['content-type'] ?? '',
      body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
    };
    if (searchParams.get('watch') === 'true') return this.#watch(request, outgoing);
    const place = parsePath(pathname);
    if (place.sub === 'log') {
      const pod = this.#store.get(place);
      outgoing.end(pod === undefined ? '' : this.#behaviour.output(pod, undefined));
      return;
    }
    const { status, body } = this.#behaviour.answer(request);
    outgoing.writeHead(status, { 'content-type': 'application/json' });
    outgoing.end(typeof body === 'string' ? body : JSON.stringify(body));
  }

  #watch(request: FakeRequest, outgoing: ServerResponse): void {
    const { place, select } = watchFilter(request);
    outgoing.writeHead(200, { 'content-type': 'application/json' });
    outgoing.flushHeaders();
    const send = (event: WatchEvent): void => {
      for (const told of this.#behaviour.told(event)) outgoing.write(`${JSON.stringify(told)}\n`);
    };
    const onChange = ({ type, place: changed, doc }: Change): void => {
      const isThere = changed.group === place.group && changed.resource === place.resource;
      const isIn = place.namespace === undefined || changed.namespace === place.namespace;
      if (isThere && isIn && select(doc)) send({ type, object: doc as WatchEvent['object'] });
    };
    if (request.query.get('sendInitialEvents') === 'true') {
      for (const doc of this.#store.list(place).filter(select))
        send({ type: 'ADDED', object: doc as WatchEvent['object'] });
      const annotations = { 'k8s.io/initial-events-end': 'true' };
      const metadata = { name: '', resourceVersion: String(this.#store.revision), annotations };
      send({ type: 'BOOKMARK', object: { metadata } });
    } else {
      const since = Number(request.query.get('resourceVersion') ?? this.#store.revision);
      for (const change of this.#store.log) if (change.revision > since) onChange(change);
    }
    this.#store.listeners.add(onChange);
    outgoing.once('close', () => this.#store.listeners.delete(onChange));
  }

  #exec(request: IncomingMessage, socket: Duplex): void {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://fake');
    const pod = this.#store.get(parsePath(pathname));
    if (pod === undefined) {
      socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n` +
        `sec-websocket-accept: ${acceptOf(String(request.headers['sec-websocket-key']))}\r\nsec-websocket-protocol: ${EXEC_PROTOCOL}\r\n\r\n`,
    );
    const send = (channel: number, text: string): void => {
      socket.write(messageFrame(Buffer.concat([Buffer.of(channel), Buffer.from(text)])));
    };
    send(CHANNEL.stdout, this.#behaviour.output(pod, searchParams.getAll('command')));
    send(CHANNEL.error, JSON.stringify({ status: 'Success' }));
    socket.end(closeFrame());
  }
}
