/** One other member: two streams each way, the pipeline, snapshots and probes. */
import type { ServerResponse } from 'node:http';
import { MessageType, type Message } from '../gen/raftpb.ts';
import type { RoundTrip, SnapshotSource } from '../server/peer-transport.ts';
import { hexId } from './headers.ts';
import type { PeerContext } from './peer-context.ts';
import { PeerStatus } from './peer-status.ts';
import { Pipeline } from './pipeline.ts';
import { Prober } from './prober.ts';
import { SnapshotSender } from './snapshot-sender.ts';
import { StreamReader, type StreamKind } from './stream-reader.ts';
import { StreamWriter, streamOf } from './stream-writer.ts';
import { UrlPicker } from './url-picker.ts';

export class Peer {
  readonly id: bigint;
  readonly #context: PeerContext;
  readonly #urls: UrlPicker;
  readonly #status: PeerStatus;
  readonly #readers: readonly StreamReader[];
  readonly #writers: Readonly<Record<StreamKind, StreamWriter>>;
  readonly #pipeline: Pipeline;
  readonly #snapshots: SnapshotSender;
  readonly #prober: Prober;
  /** Whether messages are being dropped: an episode is logged once. */
  #isOverloaded = false;

  constructor(context: PeerContext, id: bigint, urls: readonly string[]) {
    this.id = id;
    this.#context = context;
    this.#urls = new UrlPicker(urls);
    this.#status = new PeerStatus(context, id);
    const parts = { context, peer: id, urls: this.#urls, status: this.#status };
    this.#readers = [new StreamReader({ ...parts, kind: 'msgapp' }), new StreamReader({ ...parts, kind: 'message' })];
    this.#writers = {
      msgapp: new StreamWriter(context, id, 'msgapp'),
      message: new StreamWriter(context, id, 'message'),
    };
    this.#pipeline = new Pipeline(context, id, this.#urls, this.#status);
    this.#snapshots = new SnapshotSender(context, id, this.#urls, this.#status);
    this.#prober = new Prober(context, id, this.#urls);
    context.metrics.knownPeers.with(hexId(context.self.id), hexId(id)).set(1);
  }

  get activeSince(): number | undefined {
    return this.#status.activeSince;
  }

  get roundTrip(): RoundTrip {
    return this.#prober.roundTrip;
  }

  start(): void {
    for (const reader of this.#readers) reader.start();
    this.#prober.start();
  }

  stop(): void {
    for (const reader of this.#readers) reader.stop();
    this.#writers.msgapp.stop();
    this.#writers.message.stop();
    this.#pipeline.stop();
    this.#snapshots.stop();
    this.#prober.stop();
    this.#status.close();
    this.#context.metrics.knownPeers.with(hexId(this.#context.self.id), hexId(this.id)).set(0);
  }

  updateUrls(urls: readonly string[]): void {
    this.#urls.update(urls);
  }

  /** The peer dialed one of the streams that this member writes. */
  attach(kind: StreamKind, response: ServerResponse): void {
    this.#writers[kind].attach(response);
  }

  /** Queues a message; it may leave only with flush(). */
  push(message: Message): void {
    if (this.#channelFor(message).push(message)) {
      this.#isOverloaded = false;
      return;
    }
    const { handler, logger, metrics } = this.#context;
    if (!this.#isOverloaded) logger.warn('dropping messages: a queue is full', { 'peer-id': hexId(this.id) });
    this.#isOverloaded = true;
    metrics.peerSentFailures.with(hexId(this.id)).inc();
    handler.reportUnreachable(this.id);
    if (message.type === MessageType.MsgSnap) handler.reportSnapshot(this.id, false);
  }

  flush(): void {
    this.#writers.msgapp.flush();
    this.#writers.message.flush();
  }

  sendSnapshot(message: Message, source: SnapshotSource): void {
    this.#snapshots.send(message, source);
  }

  /** Its own stream, else the message stream, else the pipeline; a snapshot must not hold up a stream. */
  #channelFor(message: Message): StreamWriter | Pipeline {
    if (message.type === MessageType.MsgSnap) return this.#pipeline;
    const own = this.#writers[streamOf(message)];
    if (own.isUp) return own;
    return this.#writers.message.isUp ? this.#writers.message : this.#pipeline;
  }
}
