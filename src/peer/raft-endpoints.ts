/** What peers send Raft's messages to: streams, single posts, snapshots, probes (etcd-behaviour §9.1, §9.2). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { MessageType, decodeMessage, type Message } from '../gen/raftpb.ts';
import { LimitedLogger } from '../server/limited-logger.ts';
import { BodyReader } from './body-reader.ts';
import { MESSAGE_BYTES_MAX } from './codec/stream-codec.ts';
import { headerText, hexId, parseHexId, refusal } from './headers.ts';
import { HttpFailure, answer, answerError, answerRemovedSender, hasMethod } from './http-answer.ts';
import type { PeerContext } from './peer-context.ts';
import type { StreamKind } from './stream-reader.ts';

/** Who the endpoints know. */
export interface PeerDirectory {
  isPeer(id: bigint): boolean;
  /** The peer reads what is written to `response` from now on. */
  attach(id: bigint, kind: StreamKind, response: ServerResponse): void;
  /** A member of this cluster that this one has not heard of yet says where it can be answered. */
  addRemote(id: bigint, urls: readonly string[]): void;
}

/** Without the database, which follows it: who the members are, and little more. */
const SNAPSHOT_MESSAGE_BYTES_MAX = 4 << 20;

const STREAM_PATH = '/raft/stream/';

export class RaftEndpoints {
  readonly #context: PeerContext;
  readonly #directory: PeerDirectory;
  #receiving = 0;
  /** Of messages that are being posted. */
  #postedBytes = 0;
  readonly #refused: LimitedLogger;

  constructor(context: PeerContext, directory: PeerDirectory) {
    this.#context = context;
    this.#directory = directory;
    this.#refused = new LimitedLogger(context.logger, () => context.clock.monotonicMs());
  }

  /** Answers a request under /raft; false if nothing of the kind is there. */
  async serve(path: string, request: IncomingMessage, response: ServerResponse): Promise<boolean> {
    if (path.startsWith(STREAM_PATH)) this.#stream(path.slice(STREAM_PATH.length), request, response);
    else if (path === '/raft') await this.#post(request, response);
    else if (path === '/raft/snapshot') await this.#snapshot(request, response);
    else if (path === '/raft/probing') this.#probe(response);
    else return false;
    return true;
  }

  #stream(rest: string, request: IncomingMessage, response: ServerResponse): void {
    const { self, handler } = this.#context;
    if (!hasMethod(request, response, 'GET')) return;
    response.setHeader('X-Server-Version', self.serverVersion);
    if (!this.#admit(request, response)) return;
    const [kind, id, ...more] = rest.split('/');
    if ((kind !== 'msgapp' && kind !== 'message') || id === undefined || more.length > 0) {
      return answerError(response, 404, 'invalid path');
    }
    const from = parseHexId(id);
    if (from === undefined) return answerError(response, 404, 'invalid from');
    if (handler.isRemoved(from)) return answerError(response, 410, 'removed member');
    if (!this.#directory.isPeer(from)) {
      this.#addRemote(from, request);
      return answerError(response, 404, 'error sender not found');
    }
    if (request.headers['x-raft-to'] !== hexId(self.id)) return answerError(response, 412, 'to field mismatch');
    this.#directory.attach(from, kind, response);
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!hasMethod(request, response, 'POST') || !this.#admit(request, response)) return;
    this.#remember(request);
    const { clock, timing, metrics, handler } = this.#context;
    const body = await this.#posted(new BodyReader(request, clock, timing.readMs));
    const message = decode(body);
    if (message === undefined) {
      metrics.peerReceivedFailures.with(this.#labelOf(request)).inc();
      throw new HttpFailure(400, 'error unmarshalling raft message');
    }
    metrics.peerReceivedBytes.with(this.#labelFor(message.from)).inc(body.length);
    if (this.#context.isStopped() || !this.#isForUs(request, message, response)) return;
    handler.process(message);
    answer(response, 204, '');
  }

  /** The whole of a message. Many of them that come slowly must not fill the memory. */
  async #posted(body: BodyReader): Promise<Uint8Array> {
    let ownBytes = 0;
    const isTooMuch = (bytes: number): boolean => {
      this.#postedBytes += bytes - ownBytes;
      ownBytes = bytes;
      return this.#postedBytes > this.#context.limits.postedBytesMax;
    };
    try {
      const whole = await body.all(MESSAGE_BYTES_MAX, isTooMuch);
      if (whole === undefined) throw new HttpFailure(503, 'too many messages are being received');
      return whole;
    } finally {
      this.#postedBytes -= ownBytes;
    }
  }

  /** For metrics: anybody can claim to be anybody, and every label takes memory for good. */
  #labelFor(id: bigint): string {
    return this.#directory.isPeer(id) ? hexId(id) : '0';
  }

  #labelOf(request: IncomingMessage): string {
    return this.#labelFor(parseHexId(headerText(request.headers['x-server-from']) ?? '') ?? 0n);
  }

  async #snapshot(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!hasMethod(request, response, 'POST') || !this.#admit(request, response)) return;
    this.#remember(request);
    if (this.#receiving >= this.#context.limits.snapshotsReceivedMax) {
      throw new HttpFailure(503, 'too many snapshots are being received');
    }
    this.#receiving++;
    try {
      await this.#receive(request, response);
    } finally {
      this.#receiving--;
    }
  }

  async #receive(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { clock, timing, handler, logger, metrics } = this.#context;
    const body = new BodyReader(request, clock, timing.snapshotStallMs);
    const message = await readSnapshotMessage(body);
    if (message.type !== MessageType.MsgSnap) throw new HttpFailure(400, 'wrong raft message type');
    if (!this.#isForUs(request, message, response)) return;
    const from = this.#labelFor(message.from);
    const fields = { 'peer-id': hexId(message.from), index: message.snapshot?.metadata?.index };
    const received = metrics.peerReceivedBytes.with(from);
    const { successes, failures, inflights, duration } = metrics.snapshotReceive;
    const startedMs = clock.monotonicMs();
    logger.info('receiving a database snapshot', fields);
    inflights.with(from).add(1);
    try {
      await handler.receiveSnapshot(
        message,
        counted(body.rest(), (bytes) => received.inc(bytes)),
      );
      successes.with(from).inc();
      duration.with(from).observe((clock.monotonicMs() - startedMs) / 1000);
      answer(response, 204, '');
    } catch (error) {
      failures.with(from).inc();
      const text = error instanceof Error ? error.message : String(error);
      this.#refused.warn('could not receive a database snapshot', { ...fields, error: text });
      throw new HttpFailure(500, `failed to save KV snapshot (${text})`);
    } finally {
      inflights.with(from).add(-1);
    }
  }

  /** Any method will do. */
  #probe(response: ServerResponse): void {
    const now = new Date(this.#context.clock.wallMs()).toISOString();
    response.setHeader('Content-Type', 'text/plain; charset=utf-8');
    answer(response, 200, `{"OK":true,"Now":"${now}"}\n`);
  }

  /** False, and the request answered, if the sender speaks another version or belongs to another cluster. */
  #admit(request: IncomingMessage, response: ServerResponse): boolean {
    const { self } = this.#context;
    response.setHeader('X-Etcd-Cluster-ID', hexId(self.clusterId));
    const reason = refusal(self, request.headers);
    if (reason === undefined) return true;
    this.#refused.warn('refused a request from a member', {
      reason,
      'remote-peer-id': request.headers['x-server-from'],
      'remote-peer-version': request.headers['x-server-version'],
      'remote-peer-cluster-id': request.headers['x-etcd-cluster-id'],
    });
    answerError(response, 412, reason);
    return false;
  }

  /** False, and the request answered, if the message must not reach Raft. */
  #isForUs(request: IncomingMessage, message: Message, response: ServerResponse): boolean {
    const { self, handler } = this.#context;
    // Not always whom the message is from: a member passes on what another one asks the leader.
    const sender = parseHexId(headerText(request.headers['x-server-from']) ?? '') ?? message.from;
    if (handler.isRemoved(sender)) {
      answerRemovedSender(response);
      return false;
    }
    if (handler.isRemoved(message.from)) {
      answer(response, 204, '');
      return false;
    }
    if (message.to !== self.id) {
      // Not 403, which etcd up to 3.5 reads as the end of its membership.
      answerError(response, 412, 'to field mismatch');
      return false;
    }
    return true;
  }

  #remember(request: IncomingMessage): void {
    const from = parseHexId(headerText(request.headers['x-server-from']) ?? '');
    if (from !== undefined && !this.#context.handler.isRemoved(from)) this.#addRemote(from, request);
  }

  #addRemote(from: bigint, request: IncomingMessage): void {
    const urls = headerText(request.headers['x-peerurls']);
    if (urls !== undefined && urls !== '') this.#directory.addRemote(from, urls.split(','));
  }
}

function decode(body: Uint8Array): Message | undefined {
  try {
    return decodeMessage(body);
  } catch {
    return undefined;
  }
}

async function readSnapshotMessage(body: BodyReader): Promise<Message> {
  try {
    const length = await body.uint64();
    if (length > SNAPSHOT_MESSAGE_BYTES_MAX) throw new Error('the message is too large');
    return decodeMessage(await body.bytes(length));
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new HttpFailure(400, `failed to decode raft message (${text})`);
  }
}

async function* counted(chunks: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    count(chunk.length);
    yield chunk;
  }
}
