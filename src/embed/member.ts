/** A running member without its clients' listeners: the state on disk, the Raft node over it, and what keeps both going. */
import { createHash } from 'node:crypto';
import { Applier } from '../apply/applier.ts';
import type { AuthParts } from '../apply/auth-command.ts';
import { assert } from '../base/assert.ts';
import { SeededRandom } from '../base/random.ts';
import { EntryType, decodeConfChange, type Entry } from '../gen/raftpb.ts';
import type { EtcdMetrics } from '../observability/etcd-metrics.ts';
import type { Clock } from '../ports/clock.ts';
import type { RootLogger } from '../observability/logger.ts';
import type { Raft } from '../raft/raft.ts';
import { ApplyLoop, type ConfChangeOutcome } from '../server/apply-loop.ts';
import { AuthApi } from '../server/auth-api.ts';
import { Authenticator } from '../server/authenticator.ts';
import { ClusterApi } from '../server/cluster-api.ts';
import { Compactor } from '../server/compactor.ts';
import { ServerCore } from '../server/core.ts';
import { Flusher } from '../server/flusher.ts';
import { JobRunner } from '../server/job-runner.ts';
import { LeaseApi } from '../server/lease-api.ts';
import { handOver } from '../server/leadership.ts';
import { LeaderDuties } from '../server/leader-duties.ts';
import { LogKeeper } from '../server/log-keeper.ts';
import { NO_PEERS } from '../server/no-peers.ts';
import { PeerService } from '../server/peer-service.ts';
import type { PeerCalls, PeerNetwork, PeerTransport } from '../server/peer-transport.ts';
import { Proposals } from '../server/proposals.ts';
import { RaftNode } from '../server/raft-node.ts';
import { RequestIds } from '../server/request-ids.ts';
import { SnapshotDispatch } from '../server/snapshot-dispatch.ts';
import { SimpleTokenProvider, type TokenProvider } from '../server/token-provider.ts';
import type { VolumeGuard } from '../server/volume-guard.ts';
import { WatchDriver } from '../server/watch-driver.ts';
import { WatchSource } from '../server/watch-source.ts';
import { DatabaseSnapshots } from '../storage/bbolt/database-snapshots.ts';
import { shortVersion, storedStorageVersion, tooOldFor } from '../membership/versions.ts';
import { DEFAULT_WATCH_HUB_OPTIONS, WatchHub } from '../watch/watch-hub.ts';
import {
  appliedRows,
  openMemberState,
  stampApplied,
  type AppliedState,
  type MemberState,
  type Platform,
} from './member-state.ts';
import type { ServerConfig } from '../config/server-config.ts';
import { ETCD_COMPAT_VERSION } from '../config/version.ts';
import { authParts, nodeAuthPlatform, type AuthPlatform } from './auth.ts';
import { ApplyObserver } from './apply-observer.ts';
import type { FindFounders } from './founders.ts';
import { storeIncoming } from './incoming-snapshot.ts';
import { Membership } from './membership.ts';
import { ProposalTimeouts } from './proposal-timeouts.ts';
import { publish } from './publish.ts';
import { compactionMetrics } from './metrics.ts';
import { volumeGuard } from './volumes.ts';
import { coreLimits, electionTicks, leaderDuties, logKeeperOptions, newRaft, requestMs } from './raft-settings.ts';

/** What waits in memory decides how long garbage collections take: large enough for efficient commits, no larger. */
const FLUSH_BYTES = 4 * 1024 ** 2;
const PENDING_BYTES_MAX = 24 * 1024 ** 2;
/** Twice what the transport calls drained: a stream that was full must be able to notice that it is not any more. */
const STREAM_BACKLOG_BYTES_MIN = 256 * 1024;

/** Between two looks whether the entry behind a token is applied. */
const TOKEN_LOOK_MS = 10;

export interface MemberParts {
  readonly config: ServerConfig;
  readonly platform: Platform;
  readonly clock: Clock;
  readonly logger: RootLogger;
  readonly metrics: EtcdMetrics;
  /** Passwords and tokens; without, as the configuration has it, with this machine's means. */
  readonly auth?: AuthPlatform | undefined;
  /** The way to other members; without, this one is alone. */
  readonly network?: PeerNetwork | undefined;
  /** Who founds the cluster; without, as the configuration lists them. */
  readonly findFounders?: FindFounders | undefined;
  /** A snapshot from the leader was stored: this member has to be opened again, and does nothing useful until then. */
  readonly onSnapshotStored?: (() => void) | undefined;
  /** This member was removed from the cluster: the process has nothing left to do. */
  readonly onRemoved?: (() => void) | undefined;
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
  readonly clusterApi: ClusterApi;
  readonly leaseApi: LeaseApi;
  readonly authApi: AuthApi;
  readonly snapshots: DatabaseSnapshots;
  /** Driven by this member alone; others only look. */
  readonly raft: Raft;
  readonly #parts: MemberParts;
  readonly #auth: AuthPlatform;
  readonly #authParts: AuthParts;
  readonly #tokens: TokenProvider;
  readonly #transport: PeerTransport;
  readonly #calls: PeerCalls;
  readonly #membership: Membership;
  readonly #duties: LeaderDuties;
  readonly #volumes: VolumeGuard | undefined;
  readonly #snapshotDispatch: SnapshotDispatch;
  readonly #requestIds: RequestIds;
  readonly #node: RaftNode;
  readonly #applyLoop: ApplyLoop;
  readonly #logKeeper: LogKeeper;
  readonly #watchDriver: WatchDriver;
  readonly #proposals: Proposals;
  /** As the metrics tell it. */
  #shownVersion: string | undefined;
  #isStopped = false;

  static async open(parts: MemberParts): Promise<Member> {
    const { disk } = parts.metrics;
    const auth = parts.auth ?? (await nodeAuthPlatform(parts.config.auth, parts.clock));
    const made: { member?: Member } = {};
    const state = await openMemberState({
      ...parts,
      network: parts.network ?? NO_PEERS,
      logger: parts.logger.child('embed/member-state.ts'),
      walMetrics: {
        fsyncSeconds: disk.walFsyncDuration,
        writeSeconds: disk.walWriteDuration,
        writtenBytes: { inc: (by) => disk.walWriteBytes.add(by ?? 1) },
      },
      // Who has room had better lead.
      onDiskFull: () => void made.member?.handOver(),
    });
    const member = new Member(parts, auth, state);
    made.member = member;
    try {
      await member.#transport.listen();
    } catch (error) {
      state.unlock();
      throw error;
    }
    return member;
  }

  private constructor(parts: MemberParts, auth: AuthPlatform, state: MemberState) {
    const { config, clock, logger } = parts;
    this.#parts = parts;
    this.#auth = auth;
    this.#authParts = authParts(state.auth, config.auth, auth);
    this.#tokens = auth.jwt ?? this.#makeTokens();
    this.state = state;
    const { memberId, clusterId, cluster } = state;
    const network = parts.network ?? NO_PEERS;
    const peerURLs = config.initialAdvertisePeerUrls.map(({ text }) => text);
    this.#transport = network.transport({ id: memberId, clusterId, peerURLs });
    this.#calls = network.calls(clusterId);
    this.#requestIds = new RequestIds(memberId, clock.wallMs());
    this.raft = newRaft(config, state, this.#random(), logger);
    this.#membership = this.#makeMembership();
    const timeouts = new ProposalTimeouts({
      memberId,
      electionMs: config.electionMs,
      cluster,
      transport: this.#transport,
      node: () => this.#node,
    });
    this.#proposals = new Proposals(requestMs(config), (startMs) => timeouts.errorFor(startMs));
    this.jobs = new JobRunner(clock, () => this.#proposals.size > 0);
    const volumeLogger = logger.child('server/volume-guard.ts');
    this.#volumes = volumeGuard(parts.platform, state, config.walDir, { clock, logger: volumeLogger });
    this.flusher = this.#makeFlusher();
    this.compactor = new Compactor({
      jobs: this.jobs,
      logger: logger.child('server/compactor.ts'),
      nextJob: () => state.store.compactionJob(),
      flusher: this.flusher,
      pendingBytes: () => state.buffer.bytes,
      monotonicMs: () => clock.monotonicMs(),
      metrics: compactionMetrics(parts.metrics, clock),
      pauses: config.compactionPauses,
    });
    this.#node = this.#makeNode();
    this.#applyLoop = this.#makeApplyLoop();
    this.core = this.#makeCore();
    this.#watchDriver = new WatchDriver(clock, this.#random(), config.watchProgressNotifyMs);
    this.hub = this.#makeHub();
    this.#logKeeper = new LogKeeper(
      logKeeperOptions(config),
      {
        raft: this.raft,
        log: state.log,
        logger,
        onLogError: (error) => parts.onFatal('failed to write the log', error),
      },
      state.applied.index,
    );
    this.clusterApi = new ClusterApi(this.core, sha1);
    this.leaseApi = new LeaseApi(this.core);
    this.authApi = this.#makeAuthApi();
    this.snapshots = new DatabaseSnapshots({
      files: parts.platform.files,
      dir: state.databaseDir,
      buffer: state.buffer,
      jobs: this.jobs,
      clock,
      diskUse: state.diskUse,
      meta: () => appliedRows(this.#applied(), cluster.version),
      version: () => storedStorageVersion(cluster.version) ?? '',
      seconds: parts.metrics.disk.backendSnapshotDuration,
    });
    this.#snapshotDispatch = new SnapshotDispatch({
      snapshots: this.snapshots,
      metadata: () => this.#applied(),
      cluster: state.cluster,
      transport: this.#transport,
      clock,
      logger: logger.child('server/snapshot-dispatch.ts'),
      failed: (id) => this.#node.reportSnapshot(id, false),
    });
    this.#duties = new LeaderDuties(this.core, leaderDuties(config));
    this.#versionChanged();
  }

  /** Replays the log, finds or becomes the leader, publishes itself; resolves when requests can be served. */
  async start(): Promise<void> {
    const { clusterApi: cluster, leaseApi: leases, core } = this;
    this.#transport.start(
      new PeerService({
        core,
        cluster,
        leases,
        storeSnapshot: (metadata, database) =>
          storeIncoming(this.#parts.platform.files, this.state.databaseDir, metadata, database, this.#parts),
        onSnapshotStored: () => this.#parts.onSnapshotStored?.(),
        onRemoved: () => this.#membership.leave(),
      }),
    );
    // Not of a new member, which holds nothing yet. Others that start just now are answered meanwhile.
    const { config } = this.#parts;
    if (config.featureGates.InitialCorruptCheck && this.state.applied.index > 0)
      await this.#duties.corruption.initialCheck();
    this.#node.start(this.#applyLoop);
    // Committed entries of the last run come first: among them, on the first start, who the voters are.
    await new Promise<void>((resolve) => this.#applyLoop.whenApplied(this.state.hardState.commit, resolve));
    this.#beginElection();
    await publish(this.core, config);
    await this.#setFirstVersion();
    this.#duties.start();
    this.#watchDriver.start(this.hub);
    this.compactor.kick();
  }

  /** Before stopping: another member leads from here on, where one can. */
  handOver(): Promise<void> {
    return handOver(this.core);
  }

  /** Flushes, and closes what was opened. Requests under way must be over. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#duties.stop();
    this.#membership.stop();
    this.#snapshotDispatch.stop();
    this.#watchDriver.stop();
    this.core.stop();
    this.jobs.stop();
    this.#node.stop();
    this.#applyLoop.stop();
    this.#calls.close();
    await this.#transport.stop();
    await this.#auth.hasher.stop();
    // What is not flushed is in the log.
    if (this.#hasRoomToFlush()) await new Promise<void>((resolve) => this.flusher.flush(resolve));
    this.flusher.stop();
    this.#logKeeper.stop();
    await new Promise<void>((resolve) => this.state.log.close(() => resolve()));
    this.state.buffer.close();
    this.state.backend.close();
    this.state.unlock();
  }

  #applied(): AppliedState {
    const { appliedIndex, appliedTerm } = this.#applyLoop;
    return { index: appliedIndex, term: appliedTerm, confState: this.#membership.confState };
  }

  /** What a snapshot taken now must say about the log. */
  appliedState(): AppliedState {
    return this.#applied();
  }

  #random(): SeededRandom {
    return new SeededRandom(Number(this.state.memberId & 0xffff_ffffn) ^ Math.floor(this.#parts.clock.wallMs()));
  }

  /** The only voter need not wait for anybody. */
  #beginElection(): void {
    const { initialElectionTickAdvance } = this.#parts.config;
    if (this.#node.isSoleVoter) this.#node.campaign();
    else if (initialElectionTickAdvance) this.#node.skipTicks(electionTicks(this.#parts.config) - 2);
  }

  #makeNode(): RaftNode {
    const { config, clock, logger, onFatal } = this.#parts;
    const { log, lessor } = this.state;
    const nodeLogger = logger.child('server/raft-node.ts');
    return new RaftNode({
      raft: this.raft,
      log,
      clock,
      proposals: this.#proposals,
      requestIds: this.#requestIds,
      tickMs: config.heartbeatMs,
      readTimeoutMs: requestMs(config),
      send: (messages) => this.#transport.send(messages),
      sendSnapshot: (message) => this.#snapshotDispatch.send(message),
      onSoftState: ({ leader, role }) => {
        nodeLogger.info('raft state changed', { role, leader: leader.toString(16), term: this.raft.term });
        if (role !== 'leader') lessor.demote();
      },
      onLogError: (error) => onFatal('failed to write the log', error),
    });
  }

  #makeMembership(): Membership {
    const { config, clock, logger, onRemoved } = this.#parts;
    const { memberId, cluster, applied, contacts } = this.state;
    return new Membership({
      memberId,
      cluster,
      learnersMax: config.learnersMax,
      transport: this.#transport,
      clock,
      logger: logger.child('embed/membership.ts'),
      applyToRaft: (change) => this.#node.applyConfChange(change),
      isLeader: () => this.#node.isLeader,
      leaveMs: 2 * config.electionMs,
      onRemoved: onRemoved ?? (() => {}),
      initial: applied.confState,
      contacts,
    });
  }

  #makeFlusher(): Flusher {
    const { config, clock, metrics, onFatal } = this.#parts;
    const { backend, buffer, cluster } = this.state;
    /** What the flush under way brings to disk. */
    let flushing = this.state.applied;
    return new Flusher(
      { intervalMs: config.backendBatchIntervalMs, flushBytes: FLUSH_BYTES, pendingBytesMax: PENDING_BYTES_MAX },
      {
        backend,
        buffer,
        clock,
        stamp: () => {
          const applied = this.#applied();
          flushing = applied;
          stampApplied(buffer, applied, cluster.version);
          return { appliedIndex: applied.index };
        },
        onFlushed: (index) => {
          assert(flushing.index === index, 'a flush of another index', { index, stamped: flushing.index });
          this.#logKeeper.flushed(index, flushing.confState);
          this.#applyLoop.resume();
        },
        hasRoom: () => this.#hasRoomToFlush(),
        onError: (error) => onFatal('failed to write the database', error),
        metrics: metrics.disk,
      },
    );
  }

  #hasRoomToFlush(): boolean {
    return this.#volumes?.hasRoomToCommit() !== false;
  }

  #makeApplyLoop(): ApplyLoop {
    const { clock, metrics, config, logger } = this.#parts;
    const { applied, store, lessor, alarms, cluster } = this.state;
    const applyLogger = logger.child('server/apply-loop.ts');
    const observer = new ApplyObserver(metrics, applyLogger, config.warningApplyMs);
    const applier = new Applier({
      store,
      lessor,
      alarms,
      cluster,
      auth: this.#authParts,
      hasRoom: (costBytes) => this.core.hasRoom(costBytes),
      onEvents: (revision, events) => this.hub.notify(revision, events),
      onCompaction: () => this.compactor.kick(),
      onVersionChanged: () => this.#versionChanged(),
      onAlarmsChanged: () => applyLogger.warn('alarms changed', { active: alarms.list(0).length }),
    });
    return new ApplyLoop(
      {
        clock,
        proposals: this.#proposals,
        apply: (command, nowMs, index, origin) => applier.apply(command, nowMs, index, origin),
        applyConfChange: (entry) => this.#applyConfChange(entry),
        onTermBegun: (term) => {
          // Not an earlier term's that is applied again after a restart: more of the log may be committed than is known yet.
          if (this.#node.isLeader && term === this.#node.term) this.#lead();
        },
        onApplied: (index) => {
          this.#node.applied(index);
          this.flusher.noteApplied();
        },
        isBlocked: () => this.flusher.isFull,
        onEntry: this.#parts.onEntry,
        raiseNoSpace: () => this.core.raiseNoSpace(),
        applySeconds: (command, seconds, success) => observer.applied(command, seconds, success),
      },
      applied.index,
      applied.term,
    );
  }

  #versionChanged(): void {
    const { cluster } = this.state;
    const { clusterVersion } = this.#parts.metrics;
    const version = cluster.version === undefined ? undefined : shortVersion(cluster.version);
    if (version !== this.#shownVersion) {
      if (this.#shownVersion !== undefined) clusterVersion.with(this.#shownVersion).set(0);
      if (version !== undefined) clusterVersion.with(version).set(1);
      this.#shownVersion = version;
    }
    if (cluster.downgrade.isEnabled) this.#logKeeper.forgetCommitted();
    // It may not understand what comes into the log from here on.
    const problem = tooOldFor(cluster.version, ETCD_COMPAT_VERSION);
    if (problem !== undefined) this.#parts.onFatal('the cluster has left this member behind', new Error(problem));
  }

  #applyConfChange(entry: Entry): ConfChangeOutcome {
    if (entry.type !== EntryType.EntryConfChange) throw new Error(`conf change of type ${entry.type} in the log`);
    const change = decodeConfChange(entry.data);
    return { id: change.id, error: this.#membership.apply(change) };
  }

  /** This member has applied the first entry of the term it leads. */
  #lead(): void {
    const { clock, config } = this.#parts;
    this.state.lessor.promote(config.electionMs, clock.monotonicMs());
    // Not while the entry is being applied.
    clock.soon(() => {
      if (!this.#isStopped) void this.#duties.version.decide();
    });
  }

  #makeAuthApi(): AuthApi {
    return new AuthApi(this.core, {
      store: this.state.auth,
      hasher: this.#auth.hasher,
      tokens: this.#tokens,
      base64: (bytes) => Buffer.from(bytes).toString('base64'),
    });
  }

  #makeTokens(): TokenProvider {
    const { clock, config } = this.#parts;
    return new SimpleTokenProvider({
      tokens: this.#authParts.tokens,
      monotonicMs: () => clock.monotonicMs(),
      newPrefix: this.#auth.newTokenPrefix,
      appliedIndex: () => this.#applyLoop.appliedIndex,
      pause: () => new Promise<void>((resolve) => void clock.after(TOKEN_LOOK_MS, resolve)),
      waitMs: requestMs(config),
    });
  }

  #makeCore(): ServerCore {
    const { config, clock, logger } = this.#parts;
    const { state } = this;
    return new ServerCore({
      ...state,
      serverVersion: ETCD_COMPAT_VERSION,
      limits: coreLimits(config),
      node: this.#node,
      applyLoop: this.#applyLoop,
      proposals: this.#proposals,
      requestIds: this.#requestIds,
      transport: this.#transport,
      calls: this.#calls,
      jobs: this.jobs,
      authenticator: new Authenticator({
        store: state.auth,
        tokens: this.#tokens,
        certificateNames: config.auth.certificateNames,
      }),
      clock,
      logger: logger.child('server/core.ts'),
      pendingBytes: () => state.buffer.bytes + state.buffer.flushingBytes,
      volumes: this.#volumes,
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

  /** Before clients ask. Where others have to be asked, it may take longer and goes on by itself. */
  async #setFirstVersion(): Promise<void> {
    const { cluster } = this.state;
    if (cluster.version === undefined || this.#node.isSoleVoter) await this.#duties.version.decide();
  }
}

function sha1(bytes: Uint8Array): Uint8Array {
  return createHash('sha1').update(bytes).digest();
}
