/** The peer transport in etcd's protocol (etcd-behaviour §5.4, §9.1, §9.2). */
import type { ServerResponse } from 'node:http';
import { assert, must } from '../base/assert.ts';
import type { Message } from '../gen/raftpb.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { PeerHandler, PeerTransport, RoundTrip, SnapshotSource } from '../server/peer-transport.ts';
import { Dialer } from './dialer.ts';
import { hexId, type PeerIdentity } from './headers.ts';
import { MemberEndpoints } from './member-endpoints.ts';
import type { NameLookup } from './name-lookup.ts';
import { DEFAULT_LIMITS, type PeerContext, type PeerLimits } from './peer-context.ts';
import { silentPeerMetrics, type PeerMetrics } from './peer-metrics.ts';
import { PeerServer } from './peer-server.ts';
import type { PeerTls } from './peer-tls.ts';
import { Peer } from './peer.ts';
import { Pipeline } from './pipeline.ts';
import { RaftEndpoints, type PeerDirectory } from './raft-endpoints.ts';
import type { StreamKind } from './stream-reader.ts';
import { DEFAULT_TIMING, type PeerTiming } from './timing.ts';
import { UrlPicker } from './url-picker.ts';

export interface PeerTransportOptions {
  readonly self: PeerIdentity;
  /** http, https, unix or unixs URLs; port 0 takes any free one. */
  readonly listenUrls: readonly string[];
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics?: PeerMetrics | undefined;
  /** For https and unixs URLs. */
  readonly tls?: PeerTls | undefined;
  readonly timing?: Partial<PeerTiming> | undefined;
  readonly limits?: Partial<PeerLimits> | undefined;
  readonly reusePort?: boolean | undefined;
  readonly names?: NameLookup | undefined;
}

/** A peer that was added before start() knows the handler. */
interface Waiting {
  readonly id: bigint;
  readonly urls: readonly string[];
}

export class HttpPeerTransport implements PeerTransport, PeerDirectory {
  readonly #options: PeerTransportOptions;
  readonly #self: PeerIdentity;
  readonly #server: PeerServer;
  readonly #peers = new Map<bigint, Peer>();
  /** Members that this one has not heard of yet, but that asked for something: answers reach them by post. Oldest first. */
  readonly #remotes = new Map<bigint, Pipeline>();
  #waiting: Waiting[] = [];
  #context: PeerContext | undefined;
  #isStopped = false;

  constructor(options: PeerTransportOptions) {
    this.#options = options;
    this.#self = { ...options.self };
    const { listenUrls: urls, tls, clock, logger, reusePort } = options;
    this.#server = new PeerServer({ urls, tls, clock, logger, reusePort });
  }

  /** Of each TCP listener. */
  get ports(): readonly number[] {
    return this.#server.ports;
  }

  listen(): Promise<void> {
    return this.#server.listen();
  }

  start(handler: PeerHandler): void {
    assert(this.#context === undefined && !this.#isStopped, 'the peer transport starts once');
    const { clock, logger, metrics = silentPeerMetrics, tls, names } = this.#options;
    const self = this.#self;
    const timing = { ...DEFAULT_TIMING, ...this.#options.timing };
    const limits = { ...DEFAULT_LIMITS, ...this.#options.limits };
    const dialer = new Dialer({ clock, timing, tls, names });
    const context = { self, dialer, clock, logger, metrics, timing, limits, handler, isStopped: () => this.#isStopped };
    this.#context = context;
    const raft = new RaftEndpoints(context, this);
    const members = new MemberEndpoints(context);
    for (const { id, urls } of this.#waiting) this.addPeer(id, urls);
    this.#waiting = [];
    this.#server.serve([raft.serve.bind(raft), members.serve.bind(members)]);
  }

  async stop(): Promise<void> {
    if (this.#isStopped) return;
    this.#isStopped = true;
    for (const peer of this.#peers.values()) peer.stop();
    for (const remote of this.#remotes.values()) remote.stop();
    this.#peers.clear();
    this.#remotes.clear();
    await this.#server.close(this.#options.timing?.lingerMs ?? DEFAULT_TIMING.lingerMs);
  }

  addPeer(id: bigint, urls: readonly string[]): void {
    assert(id !== this.#options.self.id, 'a member is no peer of its own', { id: hexId(id) });
    if (this.#isStopped) return;
    if (this.#context === undefined) {
      this.#waiting = [...this.#waiting.filter((peer) => peer.id !== id), { id, urls }];
      return;
    }
    if (this.#peers.has(id)) return this.updatePeer(id, urls);
    this.#remotes.get(id)?.stop();
    this.#remotes.delete(id);
    const peer = new Peer(this.#context, id, urls);
    this.#peers.set(id, peer);
    peer.start();
  }

  updateSelf(urls: readonly string[]): void {
    this.#self.urls = urls;
  }

  updatePeer(id: bigint, urls: readonly string[]): void {
    if (this.#context === undefined) this.addPeer(id, urls);
    else this.#peers.get(id)?.updateUrls(urls);
  }

  removePeer(id: bigint): void {
    this.#waiting = this.#waiting.filter((peer) => peer.id !== id);
    this.#peers.get(id)?.stop();
    this.#peers.delete(id);
    this.#remotes.get(id)?.stop();
    this.#remotes.delete(id);
  }

  peers(): readonly bigint[] {
    return [...this.#waiting.map(({ id }) => id), ...this.#peers.keys()];
  }

  send(messages: readonly Message[]): void {
    const touched = new Set<Peer>();
    for (const message of messages) {
      const peer = this.#peers.get(message.to);
      if (peer === undefined) this.#sendToRemote(message);
      else {
        peer.push(message);
        touched.add(peer);
      }
    }
    for (const peer of touched) peer.flush();
  }

  sendSnapshot(message: Message, source: SnapshotSource): void {
    const peer = this.#peers.get(message.to);
    if (peer !== undefined) {
      peer.sendSnapshot(message, source);
      return;
    }
    source.done(false);
    this.#context?.handler.reportSnapshot(message.to, false);
  }

  activeSince(id: bigint): number | undefined {
    return this.#peers.get(id)?.activeSince;
  }

  roundTrip(id: bigint): RoundTrip | undefined {
    return this.#peers.get(id)?.roundTrip;
  }

  isPeer(id: bigint): boolean {
    return this.#peers.has(id);
  }

  attach(id: bigint, kind: StreamKind, response: ServerResponse): void {
    must(this.#peers.get(id), 'a stream is attached to a peer').attach(kind, response);
  }

  addRemote(id: bigint, urls: readonly string[]): void {
    const { self } = this.#options;
    if (this.#isStopped || id === self.id || this.#peers.has(id) || this.#remotes.has(id)) return;
    const context = must(this.#context, 'requests are served after the start');
    const oldest = this.#remotes.keys().next();
    if (oldest.done !== true && this.#remotes.size >= context.limits.remotesMax) {
      this.#remotes.get(oldest.value)?.stop();
      this.#remotes.delete(oldest.value);
    }
    this.#remotes.set(id, new Pipeline(context, id, new UrlPicker(urls)));
  }

  /** Best effort: such a member will ask again. */
  #sendToRemote(message: Message): void {
    const remote = this.#remotes.get(message.to);
    if (remote !== undefined && !remote.push(message)) this.#context?.handler.reportUnreachable(message.to);
  }
}
