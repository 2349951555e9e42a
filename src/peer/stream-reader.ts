/** One stream that a peer writes and this member reads: dials it, and dials again whenever it ends (etcd-behaviour §9.2). */
import type { ClientRequest, IncomingMessage } from 'node:http';
import type { Message } from '../gen/raftpb.ts';
import { MessageDecoder } from './codec/message-codec.ts';
import { MsgAppDecoder } from './codec/msgapp-codec.ts';
import type { StreamDecoder } from './codec/stream-codec.ts';
import { readAnswer } from './dialer.ts';
import { hexId, requestHeaders } from './headers.ts';
import type { PeerContext } from './peer-context.ts';
import type { PeerStatus } from './peer-status.ts';
import type { UrlPicker } from './url-picker.ts';

/** What a dial ends with when no process listens at the address. */
const NOBODY_THERE: ReadonlySet<string> = new Set(['ECONNREFUSED', 'ENOENT']);

export type StreamKind = 'msgapp' | 'message';

export interface StreamReaderParts {
  readonly context: PeerContext;
  readonly peer: bigint;
  readonly kind: StreamKind;
  readonly urls: UrlPicker;
  readonly status: PeerStatus;
}

export class StreamReader {
  readonly #parts: StreamReaderParts;
  #request: ClientRequest | undefined;
  #cancelRedial: (() => void) | undefined;
  #isStopped = false;
  /** Dials that have to be refused before the peer counts as gone; undefined unless a stream that stood has just ended. */
  #refusalsUntilGone: number | undefined;
  /** Since when the stream stands; undefined while it does not. */
  #upSinceMs: number | undefined;

  constructor(parts: StreamReaderParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#dial();
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancelRedial?.();
    this.#request?.destroy();
  }

  #dial(): void {
    const { context, peer, kind, urls } = this.#parts;
    const address = urls.pick();
    if (address === undefined) {
      this.#ended('no usable URL');
      return;
    }
    const request = context.dialer.request(address, {
      method: 'GET',
      path: `/raft/stream/${kind}/${hexId(context.self.id)}`,
      headers: { ...requestHeaders(context.self), 'X-Raft-To': hexId(peer) },
    });
    this.#request = request;
    let reason = 'the peer closed the stream';
    let response: IncomingMessage | undefined;
    request.setTimeout(context.timing.readMs, () => {
      request.destroy(new Error(`nothing came for ${context.timing.readMs} ms`));
    });
    let isNobodyThere = false;
    request.on('error', (error: NodeJS.ErrnoException) => {
      reason = error.message;
      isNobodyThere = NOBODY_THERE.has(error.code ?? '');
    });
    request.on('response', (incoming) => {
      response = incoming;
      // What breaks a running stream shows here, not on the request.
      incoming.on('error', (error) => {
        reason = error.message;
      });
      if (incoming.statusCode === 200) this.#read(incoming);
      else void this.#refused(incoming).then((text) => this.#ended(text, false));
    });
    request.on('close', () => {
      const isRefused = response !== undefined && response.statusCode !== 200;
      if (response === undefined || isRefused) urls.failed(address);
      if (response === undefined) this.#noteFailedDial(isNobodyThere);
      if (!isRefused) this.#ended(reason);
    });
    request.end();
  }

  #read(response: IncomingMessage): void {
    const { context, peer, kind, status } = this.#parts;
    const decoder: StreamDecoder = kind === 'msgapp' ? new MsgAppDecoder(peer, context.self.id) : new MessageDecoder();
    const received = context.metrics.peerReceivedBytes.with(hexId(peer));
    status.seen(kind);
    this.#upSinceMs = context.clock.monotonicMs();
    context.logger.info('stream from peer established', { 'peer-id': hexId(peer), stream: kind });
    response.on('data', (chunk: Buffer) => {
      received.inc(chunk.length);
      let messages: Message[];
      try {
        messages = decoder.decode(chunk);
      } catch (error) {
        context.metrics.peerReceivedFailures.with(hexId(peer)).inc();
        response.destroy(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      for (const message of messages) this.#deliver(message);
    });
  }

  /** A message that went astray must not reach Raft. */
  #deliver(message: Message): void {
    const { context, peer } = this.#parts;
    if (this.#isStopped) return;
    if (message.to === context.self.id) context.handler.process(message);
    else {
      context.metrics.peerReceivedFailures.with(hexId(peer)).inc();
      context.logger.warn('dropped a message that is not for this member', {
        'peer-id': hexId(peer),
        to: hexId(message.to),
        type: message.type,
      });
    }
  }

  /** After a stream that stood, dials that are refused at every address say more than one that is lost on the way. */
  #noteFailedDial(isNobodyThere: boolean): void {
    if (this.#refusalsUntilGone === undefined || this.#isStopped) return;
    this.#refusalsUntilGone = isNobodyThere ? this.#refusalsUntilGone - 1 : undefined;
    if (this.#refusalsUntilGone !== 0) return;
    this.#refusalsUntilGone = undefined;
    this.#parts.context.handler.reportGone(this.#parts.peer);
  }

  /** Resolves with why, when the request is over. */
  async #refused(response: IncomingMessage): Promise<string> {
    const { statusCode: status } = response;
    if (status === 410) this.#parts.context.handler.removedFromCluster();
    try {
      const { body } = await readAnswer(response);
      return `the peer answered ${status} ${body.toString('utf8').trim()}`;
    } catch {
      return `the peer answered ${status}`;
    }
  }

  #ended(reason: string, isSilent = true): void {
    const { context, kind, status } = this.#parts;
    this.#request = undefined;
    if (this.#isStopped) return;
    status.lost(kind, reason, isSilent);
    const { redialMs } = context.timing;
    const stoodMs = this.#upSinceMs === undefined ? 0 : context.clock.monotonicMs() - this.#upSinceMs;
    if (this.#upSinceMs !== undefined) this.#refusalsUntilGone = this.#parts.urls.count;
    this.#upSinceMs = undefined;
    // At once after a stream that stood for a while: whether somebody is there should be known soon.
    this.#cancelRedial = context.clock.after(stoodMs >= redialMs ? 0 : redialMs, () => this.#dial());
  }
}
