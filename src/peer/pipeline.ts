/**
 * Messages as single posts, for when the streams are down and for members whose streams are not up yet: a few at a time, in no
 * particular order (etcd-behaviour §9.2).
 */
import { encodeMessage, MessageType, type Message } from '../gen/raftpb.ts';
import { Connections, type Answer } from './dialer.ts';
import { hexId, requestHeaders } from './headers.ts';
import type { PeerContext } from './peer-context.ts';
import type { PeerStatus } from './peer-status.ts';
import { SendQueue } from './send-queue.ts';
import type { UrlPicker } from './url-picker.ts';

export class Pipeline {
  readonly #context: PeerContext;
  readonly #peer: bigint;
  readonly #urls: UrlPicker;
  /** undefined for a member that is no peer (yet). */
  readonly #status: PeerStatus | undefined;
  readonly #queue: SendQueue;
  readonly #connections: Connections;
  readonly #abort = new AbortController();
  #posting = 0;

  constructor(context: PeerContext, peer: bigint, urls: UrlPicker, status?: PeerStatus) {
    const { limits } = context;
    this.#context = context;
    this.#peer = peer;
    this.#urls = urls;
    this.#status = status;
    this.#queue = new SendQueue(limits.pipelineMessagesMax, limits.streamBytesMax);
    this.#connections = new Connections(limits.pipelineConnections);
  }

  /** False if the queue is full. */
  push(message: Message): boolean {
    if (this.#abort.signal.aborted) return true;
    if (!this.#queue.push(message)) return false;
    if (this.#posting < this.#context.limits.pipelineConnections) void this.#work();
    return true;
  }

  stop(): void {
    this.#abort.abort();
    this.#queue.clear();
    this.#connections.close();
  }

  async #work(): Promise<void> {
    this.#posting++;
    for (let message = this.#queue.shift(); message !== undefined; message = this.#queue.shift()) {
      const failure = await this.#post(message);
      if (this.#abort.signal.aborted) break;
      if (failure === undefined) this.#status?.seen('pipeline');
      else this.#failed(message, failure);
    }
    this.#posting--;
  }

  /** Resolves with what went wrong. */
  async #post(message: Message): Promise<string | undefined> {
    const context = this.#context;
    const address = this.#urls.pick();
    if (address === undefined) return 'no usable URL';
    const options = {
      method: 'POST' as const,
      path: '/raft',
      headers: { ...requestHeaders(context.self), 'Content-Type': 'application/protobuf' },
      connections: this.#connections,
    };
    const body = encodeMessage(message);
    try {
      const { timing, dialer } = context;
      const answer = await dialer.exchange(address, options, body, timing.answerMs, this.#abort.signal);
      if (answer.status === 204) {
        context.metrics.peerSentBytes.with(hexId(this.#peer)).inc(body.length);
        return undefined;
      }
      this.#urls.failed(address);
      if (saysRemoved(answer) && !this.#abort.signal.aborted) context.handler.removedFromCluster();
      return describe(answer);
    } catch (error) {
      this.#urls.failed(address);
      return error instanceof Error ? error.message : String(error);
    }
  }

  #failed(message: Message, reason: string): void {
    const { handler, metrics } = this.#context;
    this.#status?.lost('pipeline', reason);
    metrics.peerSentFailures.with(hexId(this.#peer)).inc();
    handler.reportUnreachable(this.#peer);
    if (message.type === MessageType.MsgSnap) handler.reportSnapshot(this.#peer, false);
  }
}

/** 403 has other reasons too, so its text counts. */
export function saysRemoved({ status, body }: Answer): boolean {
  return status === 410 || (status === 403 && body.includes('removed member'));
}

export function describe({ status, body }: Answer): string {
  return `the peer answered ${status} ${body.toString('utf8', 0, 200).trim()}`;
}
