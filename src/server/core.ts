/** What every service of the server stands on: the log, the store behind it, and how to get a request from one to the other. */
import type { Alarms } from '../apply/alarms.ts';
import type { AnyResponse, Responses } from '../apply/applier.ts';
import { encodeEmbedded, headerOf, type Command, type EmbeddedKind } from '../apply/command.ts';
import { EMPTY } from '../base/bytes.ts';
import { etcdError } from '../base/etcd-error.ts';
import { encodeInternalRaftRequest, type InternalRaftRequestInit } from '../gen/raft-internal.ts';
import type { ConfChange } from '../gen/raftpb.ts';
import { AlarmType, type ResponseHeaderInit } from '../gen/rpc.ts';
import { NOBODY, type AuthInfo } from '../auth/auth-info.ts';
import type { AuthStore } from '../auth/auth-store.ts';
import type { Lessor } from '../lease/lessor.ts';
import type { Cluster } from '../membership/cluster.ts';
import type { Backend } from '../mvcc/backend.ts';
import type { MvccStore } from '../mvcc/store.ts';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { ApplyLoop } from './apply-loop.ts';
import type { Authenticator } from './authenticator.ts';
import type { Caller } from './caller.ts';
import type { JobRunner } from './job-runner.ts';
import type { PeerCalls, PeerTransport } from './peer-transport.ts';
import type { Proposals } from './proposals.ts';
import type { RaftNode } from './raft-node.ts';
import type { RequestIds } from './request-ids.ts';
import type { VolumeGuard } from './volume-guard.ts';

/** Committed entries that may wait to be applied before new requests are refused. */
const APPLY_BACKLOG_MAX = 5000;
/** Proposals of this member under way, and their bytes; beyond, new ones are refused. */
const PROPOSALS_MAX = 65_536;
const PROPOSAL_BYTES_MAX = 512 * 1024 ** 2;

export interface CoreLimits {
  /** An encoded log entry may not be larger (max-request-bytes). */
  readonly requestBytesMax: number;
  readonly txnOpsMax: number;
  /** Infinity when there is no quota. */
  readonly quotaBytes: number;
  /** How long a request may take that needs other members. */
  readonly requestMs: number;
  readonly electionMs: number;
  readonly strictReconfigCheck: boolean;
  readonly learnersMax: number;
}

export interface CoreParts {
  readonly memberId: bigint;
  /** The release of etcd that this member behaves like. */
  readonly serverVersion: string;
  readonly clusterId: bigint;
  readonly limits: CoreLimits;
  readonly backend: Backend;
  readonly store: MvccStore;
  readonly lessor: Lessor;
  readonly alarms: Alarms;
  readonly cluster: Cluster;
  readonly node: RaftNode;
  readonly transport: PeerTransport;
  readonly calls: PeerCalls;
  readonly applyLoop: ApplyLoop;
  readonly proposals: Proposals;
  readonly requestIds: RequestIds;
  readonly jobs: JobRunner;
  readonly auth: AuthStore;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly pendingBytes: () => number;
  /** Without, nobody looks at the disk. */
  readonly volumes: VolumeGuard | undefined;
}

export class ServerCore {
  readonly parts: CoreParts;
  #stopping = false;

  constructor(parts: CoreParts) {
    this.parts = parts;
  }

  /** The header of an answer; the revision must be the one the answer was read or written at. */
  header(revision: number): ResponseHeaderInit {
    const { clusterId, memberId, node } = this.parts;
    return { clusterId, memberId, revision, raftTerm: node.term };
  }

  /** Completes the header of an answer that apply made. */
  withHeader<T extends { header?: ResponseHeaderInit | undefined }>(response: T): T {
    return { ...response, header: this.header(response.header?.revision ?? this.parts.store.currentRev) };
  }

  /** Bytes that count against the quota: what the backend holds, and what is on its way there. */
  sizeBytes(): number {
    return this.parts.backend.sizeBytes() + this.parts.pendingBytes();
  }

  /** By the quota, and on the disk. */
  hasRoom(costBytes: number): boolean {
    const { limits, volumes } = this.parts;
    if (this.sizeBytes() + costBytes >= limits.quotaBytes) return false;
    return volumes === undefined || volumes.hasRoom(costBytes);
  }

  /**
   * Puts a client's request through the log and returns what applying it answered. Throws (rejects with) EtcdError:
   * InvalidAuthToken, RequestTooLarge, TooManyRequests, Timeout, Stopped, and whatever applying throws.
   */
  propose<K extends EmbeddedKind & keyof Responses>(
    caller: Caller,
    kind: K,
    request: Uint8Array,
    command: Command & { readonly kind: K },
  ): Promise<Responses[K]> {
    const who = this.parts.authenticator.identify(caller);
    if (who instanceof Promise) return who.then((found) => this.#proposeAs(found, kind, request, command));
    return this.#proposeAs(who, kind, request, command);
  }

  /** As propose, for requests that are not passed on as they came. */
  async proposeFor(
    caller: Caller,
    request: InternalRaftRequestInit,
    command: Command,
  ): Promise<AnyResponse | undefined> {
    // A login is what makes credentials: those that come with it, out of date maybe, mean nothing.
    const who = command.kind === 'authenticate' ? NOBODY : await this.parts.authenticator.identify(caller);
    const id = this.#admit();
    return this.#submit(id, encodeInternalRaftRequest({ ...request, header: headerOf(id, who) }), command);
  }

  /**
   * As propose, for requests that this member makes itself. With `ownTerm`, only as the leader of that term: for what is
   * right only as long as no other member leads. Rejects with NotLeader otherwise.
   */
  proposeInternal(
    request: InternalRaftRequestInit,
    command: Command,
    ownTerm?: number,
  ): Promise<AnyResponse | undefined> {
    const id = this.#admit();
    const header = headerOf(id, this.parts.authenticator.self());
    return this.#submit(id, encodeInternalRaftRequest({ ...request, header }), command, ownTerm);
  }

  /** Puts a change of the members through the log; resolves when it is applied. Rejects with what refused it. */
  async proposeConfChange(change: Omit<ConfChange, 'id'>): Promise<void> {
    const { node, proposals, clock } = this.parts;
    const id = this.#admit();
    const outcome = proposals.add(id, { kind: 'none' }, clock.monotonicMs(), EMPTY);
    node.proposeConfChange({ ...change, id });
    await outcome;
  }

  /** Until when a request that comes in now may take. */
  requestDeadlineMs(): number {
    return this.parts.clock.monotonicMs() + this.parts.limits.requestMs;
  }

  /** Before another attempt. Rejects with Timeout after `deadlineMs`, and with Stopped. */
  pause(ms: number, deadlineMs: number): Promise<void> {
    const { clock } = this.parts;
    if (this.#stopping) return Promise.reject(etcdError('Stopped'));
    if (clock.monotonicMs() >= deadlineMs) return Promise.reject(etcdError('Timeout'));
    return new Promise((resolve) => void clock.after(ms, resolve));
  }

  /** Resolves when this member has applied everything that was committed when it was called. */
  linearizable(): Promise<void> | undefined {
    if (this.#stopping) throw etcdError('Stopped');
    return this.parts.node.linearizable();
  }

  /** Raises the NOSPACE alarm of this member; resolves when it is set, or could not be. */
  async raiseNoSpace(): Promise<void> {
    const { memberId, logger } = this.parts;
    const request = { action: 1, memberID: memberId, alarm: AlarmType.NOSPACE };
    try {
      await this.proposeInternal({ alarm: request }, { kind: 'alarm', request });
    } catch (error) {
      logger.warn('failed to raise an alarm', { alarm: 'NOSPACE', error: String(error) });
    }
  }

  stop(): void {
    this.#stopping = true;
    this.parts.proposals.failAll(etcdError('Stopped'));
  }

  #proposeAs<K extends EmbeddedKind & keyof Responses>(
    who: AuthInfo,
    kind: K,
    request: Uint8Array,
    command: Command & { readonly kind: K },
  ): Promise<Responses[K]> {
    const id = this.#admit();
    return this.#submit(id, encodeEmbedded(id, who, kind, request), command) as Promise<Responses[K]>;
  }

  #admit(): bigint {
    const { node, applyLoop, proposals, requestIds } = this.parts;
    if (this.#stopping) throw etcdError('Stopped');
    if (node.commitIndex - applyLoop.appliedIndex > APPLY_BACKLOG_MAX) throw etcdError('TooManyRequests');
    if (proposals.size >= PROPOSALS_MAX) throw etcdError('TooManyRequests');
    return requestIds.next();
  }

  #submit(id: bigint, data: Uint8Array, command: Command, ownTerm?: number): Promise<AnyResponse | undefined> {
    const { limits, node, proposals, clock } = this.parts;
    if (data.length > limits.requestBytesMax) throw etcdError('RequestTooLarge');
    if (proposals.bytes + data.length > PROPOSAL_BYTES_MAX) throw etcdError('TooManyRequests');
    const outcome = proposals.add(id, command, clock.monotonicMs(), data);
    node.propose(id, data, ownTerm);
    return outcome;
  }
}
