/** Sends a snapshot: one post with the message, then the database, streamed as fast as the peer takes it (etcd-behaviour §9.2). */
import type { ClientRequest } from 'node:http';
import type { Message } from '../gen/raftpb.ts';
import type { SnapshotSource } from '../server/peer-transport.ts';
import { FrameBuffer } from './codec/frame-buffer.ts';
import { putMessage } from './codec/message-codec.ts';
import { messageSize } from './codec/stream-codec.ts';
import { readAnswer, type Answer } from './dialer.ts';
import { hexId, requestHeaders } from './headers.ts';
import type { PeerContext } from './peer-context.ts';
import type { PeerStatus } from './peer-status.ts';
import { describe, saysRemoved } from './pipeline.ts';
import type { UrlPicker } from './url-picker.ts';

export class SnapshotSender {
  readonly #context: PeerContext;
  readonly #peer: bigint;
  readonly #urls: UrlPicker;
  readonly #status: PeerStatus;
  /** The transfer under way. */
  #abort: AbortController | undefined;
  #isStopped = false;

  constructor(context: PeerContext, peer: bigint, urls: UrlPicker, status: PeerStatus) {
    this.#context = context;
    this.#peer = peer;
    this.#urls = urls;
    this.#status = status;
  }

  /** Reports the outcome to the handler and to the source. */
  send(message: Message, source: SnapshotSource): void {
    if (this.#isStopped || this.#abort !== undefined) {
      this.#finish(source, 'another snapshot is on its way');
      return;
    }
    const abort = new AbortController();
    this.#abort = abort;
    void this.#run(message, source, abort.signal);
  }

  stop(): void {
    this.#isStopped = true;
    this.#abort?.abort();
  }

  async #run(message: Message, source: SnapshotSource, signal: AbortSignal): Promise<void> {
    const failure = await this.#transfer(message, source, signal);
    this.#abort = undefined;
    this.#finish(source, failure);
  }

  /** Resolves with what went wrong. */
  async #transfer(message: Message, source: SnapshotSource, signal: AbortSignal): Promise<string | undefined> {
    const { clock, logger, metrics } = this.#context;
    const id = hexId(this.#peer);
    const fields = { 'peer-id': id, index: message.snapshot?.metadata?.index, bytes: source.sizeBytes };
    const startedMs = clock.monotonicMs();
    metrics.snapshotSend.inflights.with(id).add(1);
    logger.info('sending a database snapshot', fields);
    const failure = await this.#post(message, source, signal);
    const tookMs = clock.monotonicMs() - startedMs;
    metrics.snapshotSend.inflights.with(id).add(-1);
    if (failure === undefined) {
      metrics.snapshotSend.successes.with(id).inc();
      metrics.snapshotSend.duration.with(id).observe(tookMs / 1000);
      logger.info('sent a database snapshot', { ...fields, took: `${Math.round(tookMs)}ms` });
    } else {
      metrics.snapshotSend.failures.with(id).inc();
      metrics.peerSentFailures.with(id).inc();
      logger.warn('could not send a database snapshot', { ...fields, error: failure });
    }
    return failure;
  }

  async #post(message: Message, source: SnapshotSource, signal: AbortSignal): Promise<string | undefined> {
    const context = this.#context;
    const address = this.#urls.pick();
    if (address === undefined) return 'no usable URL';
    const head = new FrameBuffer(messageSize(message));
    putMessage(message, head);
    const request = context.dialer.request(address, {
      method: 'POST',
      path: '/raft/snapshot',
      headers: {
        ...requestHeaders(context.self),
        'Content-Type': 'application/octet-stream',
        'Content-Length': head.length + source.sizeBytes,
      },
    });
    const abort = (): void => void request.destroy(new Error('stopped'));
    signal.addEventListener('abort', abort);
    const answer = answerTo(request);
    const writing = this.#write(request, head.finish(), source);
    try {
      // An early answer or a broken connection ends the sending too; both show in `answer`.
      await Promise.race([writing, answer.catch(() => {})]);
      return await this.#outcome(request, answer);
    } catch (error) {
      this.#urls.failed(address);
      return error instanceof Error ? error.message : String(error);
    } finally {
      signal.removeEventListener('abort', abort);
      request.destroy();
      // The source may be closed only when nobody reads it any more.
      await writing.catch(() => {});
    }
  }

  async #outcome(request: ClientRequest, answer: Promise<Answer>): Promise<string | undefined> {
    const { clock, timing, handler } = this.#context;
    const cancel = clock.after(timing.snapshotAnswerMs, () => {
      request.destroy(new Error(`no answer after ${timing.snapshotAnswerMs} ms`));
    });
    try {
      const got = await answer;
      if (got.status === 204) return undefined;
      if (saysRemoved(got) && !this.#isStopped) handler.removedFromCluster();
      return describe(got);
    } finally {
      cancel();
    }
  }

  async #write(request: ClientRequest, head: Uint8Array, source: SnapshotSource): Promise<void> {
    await this.#writePiece(request, head);
    let left = source.sizeBytes;
    for await (const chunk of source.chunks()) {
      if (request.destroyed) return;
      left -= chunk.length;
      if (left < 0) break;
      await this.#writePiece(request, chunk);
    }
    if (left !== 0) throw new Error(`the database has not the size that was announced: off by ${left} bytes`);
    request.end();
  }

  /** Resolves when the connection takes more. */
  async #writePiece(request: ClientRequest, bytes: Uint8Array): Promise<void> {
    const { clock, metrics, timing } = this.#context;
    metrics.peerSentBytes.with(hexId(this.#peer)).inc(bytes.length);
    if (request.write(bytes) || request.destroyed) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        cancel();
        request.off('drain', done);
        request.off('close', done);
        resolve();
      };
      const cancel = clock.after(timing.snapshotStallMs, () => {
        request.destroy(new Error(`the peer took nothing for ${timing.snapshotStallMs} ms`));
      });
      request.on('drain', done);
      request.on('close', done);
    });
  }

  #finish(source: SnapshotSource, failure: string | undefined): void {
    source.done(failure === undefined);
    if (this.#isStopped) return;
    const { handler } = this.#context;
    if (failure === undefined) this.#status.seen('pipeline');
    else {
      this.#status.lost('pipeline', failure);
      handler.reportUnreachable(this.#peer);
    }
    handler.reportSnapshot(this.#peer, failure === undefined);
  }
}

/** Rejects if the connection fails before the answer is complete. */
function answerTo(request: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request.on('error', reject);
    request.on('response', (response) => {
      readAnswer(response).then(resolve, reject);
    });
    request.on('close', () => reject(new Error('the peer closed the connection')));
  });
}
