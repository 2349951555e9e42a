/** A TCP proxy that keeps what the server answered on each connection. */
import { createServer, connect, type AddressInfo, type Server } from 'node:net';

export interface Recording {
  request: Buffer;
  answer: Buffer;
}

export class RecordingProxy {
  readonly recordings: Recording[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(port: number): Promise<RecordingProxy> {
    const server = createServer();
    const proxy = new RecordingProxy(server);
    server.on('connection', (client) => {
      const recording = { request: Buffer.alloc(0), answer: Buffer.alloc(0) };
      proxy.recordings.push(recording);
      const target = connect(port, '127.0.0.1');
      client.on('data', (chunk: Buffer) => (recording.request = Buffer.concat([recording.request, chunk])));
      target.on('data', (chunk: Buffer) => (recording.answer = Buffer.concat([recording.answer, chunk])));
      client.pipe(target).pipe(client);
      client.on('error', () => target.destroy());
      target.on('error', () => client.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The body, as far as it came, of the longest answer with status 200 to a GET of `path`. */
  body(path: string): Buffer {
    const bodies = this.recordings
      .filter(({ request }) => request.toString('latin1').startsWith(`GET ${path}`))
      .map(({ answer }) => answer)
      .filter((answer) => answer.toString('latin1', 0, 15).includes(' 200'))
      .map((answer) => unchunked(answer.subarray(answer.indexOf('\r\n\r\n') + 4)));
    return bodies.reduce((longest, body) => (body.length > longest.length ? body : longest), Buffer.alloc(0));
  }

  close(): void {
    this.#server.close();
  }
}

/** A body in HTTP's chunked coding; an incomplete chunk at the end is left out. */
function unchunked(bytes: Buffer): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; ;) {
    const end = bytes.indexOf('\r\n', at);
    if (end < 0) break;
    const size = Number.parseInt(bytes.toString('latin1', at, end), 16);
    if (!(size > 0) || end + 2 + size > bytes.length) break;
    out.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
  return Buffer.concat(out);
}
