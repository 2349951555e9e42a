/** The log of a member: opened again, or begun by founding a cluster or by joining one. */
import { createHash } from 'node:crypto';
import type { ServerConfig } from '../config/server-config.ts';
import { ETCD_COMPAT_VERSION } from '../config/version.ts';
import type { ConfState, Entry, HardState, SnapshotMetadata } from '../gen/raftpb.ts';
import type { Member as ClusterMember } from '../membership/member.ts';
import { canJoin } from '../membership/versions.ts';
import type { Clock } from '../ports/clock.ts';
import type { LogPosition } from '../raft/types.ts';
import { bootstrap, type Bootstrap, type InitialMember } from '../server/bootstrap.ts';
import type { DurableLog } from '../server/durable-log.ts';
import { forceNewCluster } from '../server/forced-cluster.ts';
import type { PeerCalls, PeerMembers, PeerNetwork } from '../server/peer-transport.ts';
import { createWal, openWal, walExists } from '../storage/wal/open.ts';
import type { Founders, FindFounders } from './founders.ts';
import type { AppliedState } from './member-state.ts';
import { listSegments } from '../storage/wal/recovery.ts';
import type { WalOptions } from '../storage/wal/wal-options.ts';

/** Of what is loaded for followers that lag behind. Who lacks more gets a snapshot. */
const CATCHUP_BYTES_MAX = 32 * 1024 ** 2;
const DOWNGRADE_PATIENCE_MS = 1000;

export interface OpenedLog {
  readonly memberId: bigint;
  readonly clusterId: bigint;
  readonly log: DurableLog;
  readonly hardState: HardState;
  /** Where `entries` begin: not after what the database holds. */
  readonly logStart: LogPosition;
  readonly entries: readonly Entry[];
  /** Where other members are that the database here may know nothing of yet. */
  readonly contacts: readonly ClusterMember[];
}

/** Rejects with an Error of one clear line where the log cannot be used. */
export async function openLog(
  options: WalOptions,
  config: ServerConfig,
  applied: AppliedState,
  network: PeerNetwork,
  findFounders: FindFounders,
): Promise<OpenedLog> {
  const appliedIndex = applied.index;
  if (!walExists(options)) {
    if (appliedIndex > 0)
      throw new Error(`the database in ${config.dataDir} is there, but its WAL in ${options.dir} is not`);
    return beginLog(options, config, await findFounders(), network);
  }
  const opened = reopenLog(options, appliedIndex, isAlone(applied.confState) ? 1 : config.snapshotCatchupEntries);
  const { log, hardState, entries } = opened;
  // The process before died when it had made the log, and not yet written what a cluster begins with.
  const isBlank = appliedIndex === 0 && entries.length === 0 && hardState.term === 0;
  if (!isBlank && config.forceNewCluster) return forced(opened, config, applied);
  if (!isBlank || config.initialClusterState !== 'new') return opened;
  const first = bootstrapOf(config, await findFounders());
  if (first.self.id !== opened.memberId || first.clusterId !== opened.clusterId) {
    throw new Error(`the WAL in ${options.dir} was begun with other flags, and never used: remove it`);
  }
  return writeFirst(log, first);
}

/** The other members are lost: the log goes on as that of this one alone. */
async function forced(opened: OpenedLog, config: ServerConfig, applied: AppliedState): Promise<OpenedLog> {
  const { memberId: self, log } = opened;
  const peerURLs = config.initialAdvertisePeerUrls.map(({ text }) => text);
  const { index: appliedIndex, confState } = applied;
  const { entries, changes, hardState } = forceNewCluster({ ...opened, self, peerURLs, appliedIndex, confState });
  await done((ended) => log.append(hardState, changes, true, ended));
  return { ...opened, hardState, entries };
}

/** The database was replaced by a snapshot: the log goes on from there. */
export async function markTaken(options: WalOptions, { index, term, confState }: SnapshotMetadata): Promise<void> {
  const { wal, log } = openWal(options, undefined);
  const { term: current, vote, commit } = log.hardState;
  // A vote counts in its term only. Entries after the snapshot may have come in before the end; they stay.
  const hardState = {
    ...(term > current ? { term, vote: 0n } : { term: current, vote }),
    commit: Math.max(index, commit),
  };
  const isMarked = log.marks.some((mark) => mark.index === index && mark.term === term);
  if (!isMarked) {
    await done((ended) => wal.markSnapshot({ index, term, confState }, ended));
    await done((ended) => wal.append(hardState, [], true, ended));
  }
  await done((ended) => wal.close(ended));
}

function done(start: (ended: (error: Error | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === undefined ? resolve() : reject(error)));
  });
}

/** Without followers nobody needs what is applied: the entry that the database ends at is enough, for its term. */
function isAlone({ voters, learners, votersOutgoing, learnersNext }: ConfState): boolean {
  return voters.length + learners.length + votersOutgoing.length + learnersNext.length <= 1;
}

/** A restart: the flags about the initial cluster do not matter any more. */
function reopenLog(options: WalOptions, appliedIndex: number, catchupEntries: number): OpenedLog {
  const { fs, dir } = options;
  // Followers may need what this member has applied long ago.
  const oldest = listSegments(fs, dir)[0]?.index ?? 0;
  const from = Math.min(appliedIndex, Math.max(oldest, appliedIndex - catchupEntries));
  const { wal, log } = openWal(options, from, { through: appliedIndex, bytesMax: CATCHUP_BYTES_MAX });
  const { nodeID, clusterID } = log.metadata;
  const lastIndex = log.entries.at(-1)?.index ?? log.start.index;
  if (log.start.index > appliedIndex || lastIndex < appliedIndex) {
    throw new Error(
      `the WAL in ${dir} does not fit the database: it holds entries ${log.start.index + 1} to ${lastIndex}, ` +
        `the database is at ${appliedIndex}`,
    );
  }
  const hardState = { ...log.hardState, commit: Math.max(log.hardState.commit, appliedIndex) };
  const opened = { memberId: nodeID, clusterId: clusterID, log: wal, hardState, contacts: [] };
  const { index, term } = log.start;
  if (index === 0 || term !== undefined) {
    return { ...opened, logStart: { index, term: term ?? 0 }, entries: log.entries };
  }
  // The first entry gives the term of the position behind it, and takes the start's place.
  const [first, ...entries] = log.entries;
  if (first === undefined || first.index > appliedIndex) {
    throw new Error(`the WAL in ${dir} does not tell the term of entry ${index}, which the database ends at`);
  }
  return { ...opened, logStart: { index: first.index, term: first.term }, entries };
}

/** A member that has no log yet. */
async function beginLog(
  options: WalOptions,
  config: ServerConfig,
  founders: Founders,
  network: PeerNetwork,
): Promise<OpenedLog> {
  const calls = network.calls(undefined);
  try {
    return config.initialClusterState === 'existing'
      ? await joinCluster(options, config, founders, calls)
      : await foundCluster(options, config, founders, calls);
  } finally {
    calls.close();
  }
}

async function foundCluster(
  options: WalOptions,
  config: ServerConfig,
  founders: Founders,
  calls: PeerCalls,
): Promise<OpenedLog> {
  const first = bootstrapOf(config, founders);
  await refuseSecondFounding(urlsOfOthers(config, founders), calls, first.self);
  return writeFirst(createWal(options, { nodeID: first.self.id, clusterID: first.clusterId }), first);
}

function bootstrapOf({ name }: ServerConfig, { members, token }: Founders): Bootstrap {
  const sha1 = (bytes: Uint8Array): Uint8Array => createHash('sha1').update(bytes).digest();
  return bootstrap(sha1, members, token, name);
}

async function writeFirst(log: DurableLog, first: Bootstrap): Promise<OpenedLog> {
  const { self, clusterId, hardState, entries, members } = first;
  await done((ended) => log.append(hardState, entries, true, ended));
  const logStart = { index: 0, term: 0 };
  return { memberId: self.id, clusterId, log, hardState, logStart, entries, contacts: members };
}

/** A founder that lost its data would forget its votes: what it acknowledged before could be lost with it. */
async function refuseSecondFounding(others: readonly string[], calls: PeerCalls, self: ClusterMember): Promise<void> {
  if (others.length === 0) return;
  let running: PeerMembers;
  try {
    running = await calls.members(others);
  } catch {
    return;
  }
  const known = running.members.find(({ id }) => id === self.id);
  if (known !== undefined && known.clientURLs.length > 0) {
    throw new Error(`member ${self.id.toString(16)} has already been bootstrapped`);
  }
}

/** The cluster knows this member already: by its peer URLs. The log comes from the leader. */
async function joinCluster(
  options: WalOptions,
  config: ServerConfig,
  founders: Founders,
  calls: PeerCalls,
): Promise<OpenedLog> {
  const { clusterId, members, self } = await findCluster(config, founders, calls);
  await checkVersions(
    members.filter(({ id }) => id !== self.id),
    calls,
    options.clock,
  );
  const learners = members.filter(({ isLearner }) => isLearner).length;
  if (learners > config.learnersMax) throw new Error(`too many learner members in cluster: ${learners}`);
  const log = createWal(options, { nodeID: self.id, clusterID: clusterId });
  return {
    memberId: self.id,
    clusterId,
    log,
    hardState: { term: 0, vote: 0n, commit: 0 },
    logStart: { index: 0, term: 0 },
    entries: [],
    contacts: members,
  };
}

/**
 * Asks one member after the other: one that is behind knows older members, and may stay behind until this one has joined and
 * there is a quorum again.
 */
async function findCluster(
  config: ServerConfig,
  founders: Founders,
  calls: PeerCalls,
): Promise<PeerMembers & { readonly self: ClusterMember }> {
  const others = urlsOfOthers(config, founders);
  if (others.length === 0) throw new Error('--initial-cluster-state=existing: --initial-cluster names no other member');
  let mismatch: unknown;
  let silence: unknown;
  for (const url of others) {
    const found = await calls.members([url]).catch((error: unknown) => void (silence ??= error));
    try {
      if (found) return { ...found, self: matchMembers(founders.members, found.members, config.name) };
    } catch (error) {
      mismatch ??= error;
    }
  }
  if (mismatch !== undefined) throw mismatch;
  throw new Error(
    `cannot fetch cluster info from peer urls: ${silence instanceof Error ? silence.message : String(silence)}`,
  );
}

/** This member among those of the cluster. Throws if --initial-cluster says anything but what the cluster says. */
function matchMembers(
  initial: readonly InitialMember[],
  members: readonly ClusterMember[],
  name: string,
): ClusterMember {
  if (initial.length !== members.length) {
    throw new Error(
      `error validating peerURLs: member count is unequal: --initial-cluster has ${initial.length}, ` +
        `the cluster ${members.length}`,
    );
  }
  let self: ClusterMember | undefined;
  for (const member of members) {
    const known = [...member.peerURLs].sort().join();
    const found = initial.find(({ peerURLs }) => [...peerURLs].sort().join() === known);
    if (found === undefined) {
      const id = member.id.toString(16);
      throw new Error(`error validating peerURLs: PeerURLs: no match found for existing member (${id}, [${known}])`);
    }
    if (found.name === name) self = member;
  }
  if (self === undefined) throw new Error(`member ${name} is not in the initial cluster`);
  return self;
}

/** Throws where this member could not deal with what the cluster does. */
async function checkVersions(others: readonly ClusterMember[], calls: PeerCalls, clock: Clock): Promise<void> {
  const versions = await Promise.all(
    others.map(({ peerURLs }) =>
      calls.versions(peerURLs).then(
        ({ cluster }) => cluster,
        () => undefined,
      ),
    ),
  );
  // A member asks its leader before it answers, and there may be none before this one joins.
  const unknown = new Promise<boolean>((resolve) => void clock.after(DOWNGRADE_PATIENCE_MS, () => resolve(false)));
  const answers = others.map(({ peerURLs }) => calls.isDowngradeEnabled(peerURLs));
  const isDowngradeEnabled = await Promise.race([unknown, Promise.any(answers).catch(() => false)]);
  if (canJoin(versions, ETCD_COMPAT_VERSION, isDowngradeEnabled)) return;
  const found = versions.map((version) => version ?? 'unknown').join(', ');
  throw new Error(
    `incompatible with current running cluster: its members say ${found}, this one is ${ETCD_COMPAT_VERSION}`,
  );
}

function urlsOfOthers({ name }: ServerConfig, { members }: Founders): string[] {
  return members.filter((member) => member.name !== name).flatMap(({ peerURLs }) => [...peerURLs]);
}
