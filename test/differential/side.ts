import { encode, methodShape, type Plain } from '../support/proto-codec.ts';
import { RawClient, RpcError } from '../support/raw-client.ts';
import { startEtcd } from '../support/real-etcd.ts';
import { startQuorate } from '../support/quorate-process.ts';
import type { ServerKind, ServerProcess } from '../support/server-process.ts';
import { type Answer, normaliseAnswer } from './normalise.ts';
import { RPCS, type RpcName } from './operation.ts';
import { WatchTrack } from './watch-track.ts';

/** One of the two servers that are compared, with the watch streams that are open on it. */
export class Side {
  readonly server: ServerProcess;
  readonly #streams = new Map<number, WatchTrack>();
  #client: RawClient;

  private constructor(server: ServerProcess) {
    this.server = server;
    this.#client = new RawClient(server.endpoint);
  }

  static async start(kind: ServerKind): Promise<Side> {
    return new Side(await (kind === 'etcd' ? startEtcd() : startQuorate()));
  }

  async call(rpc: RpcName, request: Plain): Promise<Answer> {
    const shape = methodShape(RPCS[rpc], rpc);
    try {
      return normaliseAnswer(rpc, request, await this.#client.unaryBytes(shape.path, encode(shape.request, request)));
    } catch (error) {
      if (error instanceof RpcError) return { error: `${error.code} ${error.message}` };
      throw error;
    }
  }

  stream(number: number): WatchTrack {
    let track = this.#streams.get(number);
    if (!track) {
      track = new WatchTrack(this.#client);
      this.#streams.set(number, track);
    }
    return track;
  }

  async restart(): Promise<void> {
    this.#closeStreams();
    this.#client.close();
    await this.server.kill();
    await this.server.restart();
    this.#client = new RawClient(this.server.endpoint);
  }

  async stop(): Promise<void> {
    this.#closeStreams();
    this.#client.close();
    await this.server.stop();
  }

  #closeStreams(): void {
    for (const track of this.#streams.values()) track.close();
    this.#streams.clear();
  }
}
