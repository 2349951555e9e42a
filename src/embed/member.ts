/** A running member without its listeners: the state on disk, the Raft node over it, and what keeps both going. */
import { Applier, type ApplyResult } from '../apply/applier.ts';
import type { Command } from '../apply/command.ts';
import { must } from '../base/assert.ts';
import { EtcdError, etcdError } from '../base/etcd-error.ts';
import { SeededRandom } from '../base/random.ts';
import { ConfChangeType, decodeConfChange, EntryType, type ConfState, type Entry } from '../gen/raftpb.ts';
import { decodeMember } from '../membership/member.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { Clock } from '../ports/clock.ts';
import type { Histogram } from '../ports/metrics.ts';
import type { RootLogger } from '../observability/logger.ts';
import { Raft } from '../raft/raft.ts';
import { ApplyLoop } from '../server/apply-loop.ts';
import { Compactor } from '../server/compactor.ts';
import { ServerCore } from '../server/core.ts';
import { Flusher } from '../server/flusher.ts';
import { JobRunner } from '../server/job-runner.ts';
import { LeaseKeeper } from '../server/lease-keeper.ts';
import { LogKeeper } from '../server/log-keeper.ts';
import { Proposals } from '../server/proposals.ts';
import { RaftNode } from '../server/raft-node.ts';
import { RequestIds } from '../server/request-ids.ts';
import { WatchDriver } from '../server/watch-driver.ts';
import { WatchSource } from '../server/watch-source.ts';
import { DEFAULT_WATCH_HUB_OPTIONS, WatchHub } from '../watch/watch-hub.ts';
import { openMemberState, stampApplied, type AppliedState, type MemberState, type Platform } from './member-state.ts';
import type { ServerConfig } from '../config/server-config.ts';

/** What waits in memory decides how long garbage collections take: large enough for efficient commits, no larger. */
const FLUSH_BYTES = 8 * 1024 ** 2;
const PENDING_BYTES_MAX = 48 * 1024 ** 2;
const LOG_MEMORY_BYTES_MAX = 64 * 1024 ** 2;
const UNCOMMITTED_BYTES_MAX = 256 * 1024 ** 2;
const MESSAGE_BYTES_MAX = 1024 ** 2;
const INFLIGHT_MESSAGES_MAX = 512;
/** Twice what the transport calls drained: a stream that was full must be able to notice that it is not any more. */
const STREAM_BACKLOG_BYTES_MIN = 256 * 1024;
const PUBLISH_RETRY_MS = 100;

export interface MemberParts {
  readonly config: ServerConfig;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly metrics: EtcdMetrics;
  /** Something failed after which nothing may be acknowledged: the process has to end. */
  readonly onFatal: (what: string, error: Error) => void;
  /** Sees every entry of the log just before it is applied: for tests that follow the log. */
  readonly onEntry?: ((entry: Entry) => void) | undefined;
}

export class Member {
  readonly state: MemberState;
  readonly core: ServerCore;
  readonly hub: WatchHub;
  readonly flusher: Flusher;
  readonly compactor: Compactor;
  readonly jobs: JobRunner;
  readonly #parts: MemberParts;
  readonly #raft: Raft;
  readonly #node: RaftNode;
  readonly #applyLoop: ApplyLoop;
  readonly #logKeeper: LogKeeper;
  readonly #leaseKeeper: LeaseKeeper;
  readonly #watchDriver: WatchDriver;
  readonly #proposals: Proposals;
  #confState: ConfState;
  /** Resolves when this member has applied the first entry of a term that it leads. */
  #onLeading: (() => void) | undefined;

  static async open(parts: MemberParts): Promise<Member> {
    const { disk } = parts.metrics;
    const state = await openMemberState({
      ...parts,
      logger: parts.logger.child('embed/member-state.ts'),
      walMetrics: {
        fsyncSeconds: disk.walFsyncDuration,
        writtenBytes: { inc: (by) => disk.walWriteBytes.add(by ?? 1) },
      },
    });
    return new Member(parts, state);
  }

  private constructor(parts: MemberParts, state: MemberState) {
    const { config, clock, logger } = parts;
    this.#parts = parts;
    this.state = state;
    this.#confState = state.applied.confState;
    this.#raft = this.#makeRaft();
    this.#proposals = new Proposals(5000 + 2 * config.electionMs);
    this.jobs = new JobRunner(clock);
    this.flusher = this.#makeFlusher();
    this.compactor = new Compactor({
      jobs: this.jobs,
      logger: logger.child('server/compactor.ts'),
      nextJob: () => state.store.compactionJob(),
      flusher: this.flusher,
      monotonicMs: () => clock.monotonicMs(),
    });
    this.#node = new RaftNode({
      raft: this.#raft,
      log: state.log,
      clock,
      logger: logger.child('server/raft-node.ts'),
      proposals: this.#proposals,
      tickMs: config.heartbeatMs,
      onSoftState: ({ role }) => {
        if (role !== 'leader') state.lessor.demote();
      },
      onLogError: (error) => parts.onFatal('failed to write the log', error),
    });
    this.#applyLoop = this.#makeApplyLoop();
    this.core = this.#makeCore();
    this.#watchDriver = new WatchDriver(clock, this.#random(), config.watchProgressNotifyMs);
    this.hub = this.#makeHub();
    const keeperOptions = {
      snapshotCount: config.snapshotCount,
      catchupEntries: config.snapshotCatchupEntries,
      memoryBytesMax: LOG_MEMORY_BYTES_MAX,
    };
    this.#logKeeper = new LogKeeper(
      keeperOptions,
      {
        raft: this.#raft,
        log: state.log,
        logger,
        confState: () => this.#confState,
        onLogError: (error) => parts.onFatal('failed to write the log', error),
      },
      state.applied.index,
    );
    this.#leaseKeeper = new LeaseKeeper(this.core);
  }

  /** Elects itself, replays the log, publishes itself; resolves when requests can be served. */
  async start(): Promise<void> {
    const { lessor } = this.state;
    const leading = new Promise<void>((resolve) => {
      this.#onLeading = resolve;
    });
    this.#node.start(this.#applyLoop);
    // Committed entries of the last run come first: among them, on the first start, who the voters are.
    await new Promise<void>((resolve) => this.#applyLoop.whenApplied(this.state.hardState.commit, resolve));
    this.#node.campaign();
    await leading;
    await this.#publish();
    lessor.promote(this.#parts.config.electionMs, this.#parts.clock.monotonicMs());
    this.#leaseKeeper.start();
    this.#watchDriver.start(this.hub);
    this.compactor.kick();
  }

  /** Flushes, and closes what was opened. Requests under way must be over. */
  async stop(): Promise<void> {
    this.#leaseKeeper.stop();
    this.#watchDriver.stop();
    this.core.stop();
    this.#node.stop();
    await new Promise<void>((resolve) => this.flusher.flush(resolve));
    this.flusher.stop();
    this.#logKeeper.stop();
    await new Promise<void>((resolve) => this.state.log.close(() => resolve()));
    this.state.buffer.close();
    this.state.backend.close();
    this.state.unlock();
  }

  #applied(): AppliedState {
    const { appliedIndex, appliedTerm } = this.#applyLoop;
    return { index: appliedIndex, term: appliedTerm, confState: this.#confState };
  }

  /** What a snapshot taken now must say about the log. */
  appliedState(): AppliedState {
    return this.#applied();
  }

  #random(): SeededRandom {
    return new SeededRandom(Number(this.state.memberId & 0xffff_ffffn) ^ Math.floor(this.#parts.clock.wallMs()));
  }

  #makeRaft(): Raft {
    const { config, logger } = this.#parts;
    const { memberId, hardState, entries, applied } = this.state;
    return new Raft({
      id: memberId,
      electionTicks: Math.max(2, Math.round(config.electionMs / config.heartbeatMs)),
      heartbeatTicks: 1,
      random: this.#random(),
      preVote: true,
      checkQuorum: true,
      maxSizePerMessageBytes: MESSAGE_BYTES_MAX,
      inflightMessagesMax: INFLIGHT_MESSAGES_MAX,
      inflightBytesMax: 0,
      uncommittedBytesMax: UNCOMMITTED_BYTES_MAX,
      initial: {
        hardState,
        confState: applied.confState,
        snapshot: { index: applied.index, term: applied.term },
        entries,
        applied: applied.index,
      },
      logger: logger.child('raft/raft.ts'),
    });
  }

  #makeFlusher(): Flusher {
    const { config, clock, metrics, onFatal } = this.#parts;
    const { backend, buffer } = this.state;
    return new Flusher(
      { intervalMs: config.backendBatchIntervalMs, flushBytes: FLUSH_BYTES, pendingBytesMax: PENDING_BYTES_MAX },
      {
        backend,
        buffer,
        clock,
        stamp: () => {
          const applied = this.#applied();
          stampApplied(buffer, applied);
          return { appliedIndex: applied.index };
        },
        onFlushed: (index) => {
          this.#logKeeper.flushed(index);
          this.#applyLoop.resume();
        },
        onError: (error) => onFatal('failed to write the database', error),
        commitSeconds: metrics.disk.backendCommitDuration,
      },
    );
  }

  #makeApplyLoop(): ApplyLoop {
    const { clock, metrics, config, logger } = this.#parts;
    const { applied, store, lessor, alarms, cluster } = this.state;
    const applyLogger = logger.child('server/apply-loop.ts');
    const applyCells = this.#applyCells();
    const applier = new Applier({
      store,
      lessor,
      alarms,
      cluster,
      hasRoom: (costBytes) => this.core.hasRoom(costBytes),
      onEvents: (revision, events) => this.hub.notify(revision, events),
      onCompaction: () => this.compactor.kick(),
      onAlarmsChanged: () => applyLogger.warn('alarms changed', { active: alarms.list(0).length }),
    });
    return new ApplyLoop(
      {
        clock,
        proposals: this.#proposals,
        apply: (command, nowMs) => this.#count(command, applier.apply(command, nowMs)),
        applyConfChange: (entry) => this.#applyConfChange(entry),
        onTermBegun: (term) => {
          // Not an earlier term's that is applied again after a restart: more of the log may be committed than is known yet.
          if (this.#node.isLeader && term === this.#node.term) this.#onLeading?.();
        },
        onApplied: (index) => {
          this.#node.applied(index);
          this.flusher.noteApplied();
        },
        isBlocked: () => this.flusher.isFull,
        onEntry: this.#parts.onEntry,
        raiseNoSpace: () => this.core.raiseNoSpace(),
        applySeconds: (kind, seconds, success) => {
          applyCells(kind, success).observe(seconds);
          if (seconds * 1000 < config.warningApplyMs) return;
          metrics.server.slowApply.inc();
          applyLogger.warn('apply request took too long', {
            took: `${(seconds * 1000).toFixed(3)}ms`,
            'expected-duration': `${config.warningApplyMs}ms`,
            request: kind,
          });
        },
      },
      applied.index,
      applied.term,
    );
  }

  /** The histogram for a kind of command, looked up once. */
  #applyCells(): (kind: Command['kind'], success: boolean) => Histogram {
    const { applyDuration } = this.#parts.metrics.server;
    const known = { true: new Map<string, Histogram>(), false: new Map<string, Histogram>() };
    return (kind, success) => {
      const cells = success ? known.true : known.false;
      let cell = cells.get(kind);
      if (cell === undefined) {
        const op = kind.charAt(0).toUpperCase() + kind.slice(1);
        cells.set(kind, (cell = applyDuration.with('v3', op, String(success))));
      }
      return cell;
    };
  }

  #count(command: Command, result: ApplyResult): ApplyResult {
    const { mvcc } = this.#parts.metrics;
    if (command.kind === 'put') mvcc.put.inc();
    else if (command.kind === 'txn') mvcc.txn.inc();
    else if (command.kind === 'deleteRange') mvcc.delete.inc();
    return result;
  }

  #applyConfChange(entry: Entry): void {
    if (entry.type !== EntryType.EntryConfChange) throw new Error(`conf change of type ${entry.type} in the log`);
    const change = decodeConfChange(entry.data);
    this.#confState = this.#node.applyConfChange(change);
    const { cluster } = this.state;
    if (change.type === ConfChangeType.ConfChangeRemoveNode) {
      cluster.remove(change.nodeId);
      return;
    }
    const { isPromote, ...member } = decodeMember(change.context);
    if (isPromote) cluster.promote(change.nodeId);
    else if (change.type === ConfChangeType.ConfChangeUpdateNode) cluster.updatePeerURLs(member.id, member.peerURLs);
    else cluster.add(member);
  }

  #makeCore(): ServerCore {
    const { config, clock, logger } = this.#parts;
    const { state } = this;
    return new ServerCore({
      ...state,
      limits: {
        requestBytesMax: config.maxRequestBytes,
        txnOpsMax: config.maxTxnOps,
        quotaBytes: config.quotaBytes,
      },
      node: this.#node,
      applyLoop: this.#applyLoop,
      proposals: this.#proposals,
      requestIds: new RequestIds(state.memberId, clock.wallMs()),
      jobs: this.jobs,
      clock,
      logger: logger.child('server/core.ts'),
      pendingBytes: () => state.buffer.bytes + state.buffer.flushingBytes,
    });
  }

  #makeHub(): WatchHub {
    const { store, clusterId, memberId } = this.state;
    const node = this.#node;
    const headers = {
      clusterId,
      memberId,
      get raftTerm() {
        return node.term;
      },
    };
    const hubOptions = {
      ...DEFAULT_WATCH_HUB_OPTIONS,
      fragmentBytes: this.#parts.config.maxRequestBytes + 512 * 1024,
      streamBacklogBytesMin: STREAM_BACKLOG_BYTES_MIN,
    };
    return new WatchHub(new WatchSource(store), headers, hubOptions, () => this.#watchDriver.wake());
  }

  /** Publishes, however often it takes: a disk that is slow just now is no reason to give up. */
  async #publish(): Promise<void> {
    const { clock, logger } = this.#parts;
    for (;;) {
      try {
        return await this.#publishOnce();
      } catch (error) {
        if (!(error instanceof EtcdError) || error.message === etcdError('Stopped').message) throw error;
        logger.warn('failed to publish this member, will try again', { error: error.message });
        await new Promise<void>((resolve) => void clock.after(PUBLISH_RETRY_MS, resolve));
      }
    }
  }

  /** What this member is called and where clients reach it, and the version of the cluster, once they are in the log. */
  async #publishOnce(): Promise<void> {
    const { cluster, memberId } = this.state;
    const { name, advertiseClientUrls } = this.#parts.config;
    const clientUrls = advertiseClientUrls.map(({ text }) => text);
    const self = must(cluster.member(memberId), 'this member in its own cluster');
    if (self.name !== name || self.clientURLs.join() !== clientUrls.join()) {
      const request = { memberID: memberId, memberAttributes: { name, clientUrls } };
      await this.core.proposeInternal({ clusterMemberAttrSet: request }, { kind: 'memberAttrSet', request });
    }
    if (cluster.version !== CLUSTER_VERSION) {
      const request = { ver: CLUSTER_VERSION };
      await this.core.proposeInternal({ clusterVersionSet: request }, { kind: 'clusterVersionSet', request });
    }
  }
}

const CLUSTER_VERSION = '3.6.0';
