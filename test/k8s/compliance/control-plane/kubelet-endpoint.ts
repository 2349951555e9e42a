import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { at, type Fields, type KubeObject, pathOf } from '../kube-object.ts';
import type { KubeClient } from '../kube-client.ts';
import { acceptOf, CHANNEL, closeFrame, EXEC_PROTOCOL, messageFrame } from '../web-socket.ts';

/** A certificate for 127.0.0.1 with its key, as PEM. */
export interface Identity {
  readonly cert: string;
  readonly key: string;
}

/** Where an API server asks a kubelet for logs and commands; the answers are worked out from the pod's specification. */
export class KubeletEndpoint {
  readonly #server: Server;
  readonly #client: KubeClient;

  static async start(client: KubeClient, identity: Identity): Promise<KubeletEndpoint> {
    const endpoint = new KubeletEndpoint(client, createServer({ cert: identity.cert, key: identity.key }));
    await new Promise<void>((resolve) => endpoint.#server.listen(0, '127.0.0.1', resolve));
    return endpoint;
  }

  private constructor(client: KubeClient, server: Server) {
    this.#client = client;
    this.#server = server;
    server.on('request', (request, response) => {
      void this.#log(request.url ?? '').then(
        (text) => response.end(text),
        (error: unknown) => response.writeHead(500).end(String(error)),
      );
    });
    server.on('upgrade', (request, socket) => {
      void this.#exec(request.url ?? '', String(request.headers['sec-websocket-key']), socket).catch(
        (error: unknown) => {
          socket.end(`HTTP/1.1 500 Internal Server Error\r\ncontent-length: 0\r\nx-error: ${String(error)}\r\n\r\n`);
        },
      );
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** `/containerLogs/namespace/pod/container` */
  async #log(url: string): Promise<string> {
    const [, what, namespace, pod] = url.split('?')[0]?.split('/') ?? [];
    if (what !== 'containerLogs') throw new Error(`nothing at ${url}`);
    return logOf(await this.#client.get(pathOf('v1', 'pods', namespace, pod)));
  }

  /** `/exec/namespace/pod/container?command=...` */
  async #exec(url: string, key: string, socket: Duplex): Promise<void> {
    const { pathname, searchParams } = new URL(url, 'https://kubelet');
    const [, what, namespace, name] = pathname.split('/');
    if (what !== 'exec') throw new Error(`nothing at ${url}`);
    const pod = await this.#client.get(pathOf('v1', 'pods', namespace, name));
    const output = outputOf(pod, searchParams.getAll('command'));
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n` +
        `sec-websocket-accept: ${acceptOf(key)}\r\nsec-websocket-protocol: ${EXEC_PROTOCOL}\r\n\r\n`,
    );
    const send = (channel: number, text: string): void => {
      socket.write(messageFrame(Buffer.concat([Buffer.of(channel), Buffer.from(text)])));
    };
    send(CHANNEL.stdout, output);
    send(CHANNEL.error, JSON.stringify({ metadata: {}, status: 'Success' }));
    socket.end(closeFrame());
  }
}

const main = (pod: KubeObject): Fields | undefined => (at(pod, 'spec.containers') as Fields[])[0];

/** What `sh -c 'echo words; ...'` writes. */
export function logOf(pod: KubeObject): string {
  const command = (main(pod)?.['command'] ?? []) as string[];
  return [...(command[2] ?? '').matchAll(/echo (\w+)/g)].map((match) => `${match[1]}\n`).join('');
}

/** `echo words` and `printenv NAME`. */
export function outputOf(pod: KubeObject, command: readonly string[]): string {
  if (command[0] === 'echo') return `${command.slice(1).join(' ')}\n`;
  if (command[0] !== 'printenv') throw new Error(`${command.join(' ')} is not simulated`);
  const env = (main(pod)?.['env'] ?? []) as Fields[];
  const found = env.find(({ name }) => name === command[1]);
  return found === undefined ? '' : `${String(found['value'])}\n`;
}
