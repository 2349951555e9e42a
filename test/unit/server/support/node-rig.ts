/** Members as the server drives them, Raft node and all, on a clock, a log and a network that do what the test says. */
import type { ApplyResult } from '../../../../src/apply/applier.ts';
import type { Command } from '../../../../src/apply/command.ts';
import { EtcdError } from '../../../../src/base/etcd-error.ts';
import { SeededRandom } from '../../../../src/base/random.ts';
import { EntryType, decodeConfChange, type Entry, type Message } from '../../../../src/gen/raftpb.ts';
import { Lessor } from '../../../../src/lease/lessor.ts';
import type { Cluster } from '../../../../src/membership/cluster.ts';
import { silentLogger } from '../../../../src/ports/logger.ts';
import { Raft } from '../../../../src/raft/raft.ts';
import { AuthStore } from '../../../../src/auth/auth-store.ts';
import { Authenticator } from '../../../../src/server/authenticator.ts';
import { ApplyLoop } from '../../../../src/server/apply-loop.ts';
import { ServerCore, type CoreParts } from '../../../../src/server/core.ts';
import type { DurableLog, LogDone } from '../../../../src/server/durable-log.ts';
import { LeaseApi } from '../../../../src/server/lease-api.ts';
import { Proposals } from '../../../../src/server/proposals.ts';
import { RaftNode } from '../../../../src/server/raft-node.ts';
import { RequestIds } from '../../../../src/server/request-ids.ts';
import { ManualClock } from '../../../support/manual-clock.ts';

export const TICK_MS = 100;
export const ELECTION_TICKS = 10;
export const ELECTION_MS = TICK_MS * ELECTION_TICKS;
export const REQUEST_MS = 5000 + 2 * ELECTION_MS;

/** Like the event loop: timers first, then what the network brought, then what was put off. */
class LoopClock extends ManualClock {
  #soon: (() => void)[] = [];

  override soon(run: () => void): void {
    this.#soon.push(run);
  }

  /** Runs what was put off until now; what that puts off waits for the next turn. */
  runSoon(): void {
    const due = this.#soon;
    this.#soon = [];
    for (const run of due) run();
  }
}

/** A log whose writes end when the test, or its own haste, says so. */
export class HeldLog implements DurableLog {
  /** Whether writes wait for sync(). */
  isSlow = false;
  readonly #clock: ManualClock;
  readonly #waiting: LogDone[] = [];

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  append(_hardState: unknown, _entries: unknown, _mustSync: boolean, done: LogDone): void {
    if (this.isSlow) this.#waiting.push(done);
    else this.#clock.soon(() => done());
  }

  markSnapshot(_mark: unknown, done: LogDone): void {
    this.#clock.soon(() => done());
  }

  release(): void {}

  close(done: LogDone): void {
    done();
  }

  sync(): void {
    for (const done of this.#waiting.splice(0)) done();
  }
}

export class NodeRig {
  readonly id: bigint;
  /** Its own: a process that stands still has a clock that jumps when it goes on. */
  readonly clock = new LoopClock();
  readonly log: HeldLog;
  readonly raft: Raft;
  readonly node: RaftNode;
  readonly proposals = new Proposals(REQUEST_MS);
  readonly applyLoop: ApplyLoop;
  readonly lessor: Lessor;
  readonly core: ServerCore;
  readonly leases: LeaseApi;
  /** What was applied, by kind. */
  readonly applied: Command[] = [];
  /** What the transport says of the others. */
  readonly activeSince = new Map<bigint, number>();
  outbox: Message[] = [];

  constructor(id: bigint, voters: readonly bigint[]) {
    this.id = id;
    this.log = new HeldLog(this.clock);
    this.raft = new Raft({
      id,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1,
      random: new SeededRandom(Number(id)),
      preVote: true,
      checkQuorum: true,
      maxSizePerMessageBytes: 1 << 20,
      inflightMessagesMax: 64,
      inflightBytesMax: 0,
      uncommittedBytesMax: 0,
      initial: {
        hardState: { term: 0, vote: 0n, commit: 0 },
        confState: { voters: [...voters], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
        snapshot: { index: 0, term: 0 },
        entries: [],
        applied: 0,
      },
    });
    const requestIds = new RequestIds(id, 1_700_000_000_000);
    this.lessor = new Lessor(
      { ttlSecondsMin: 2, revokeRetryMs: 7000, checkpointIntervalMs: 0, checkpointPersist: () => false },
      { put: () => {}, delete: () => {} },
      { keysOf: () => [] },
    );
    this.node = new RaftNode({
      raft: this.raft,
      log: this.log,
      clock: this.clock,
      proposals: this.proposals,
      requestIds,
      tickMs: TICK_MS,
      readTimeoutMs: REQUEST_MS,
      send: (messages) => void this.outbox.push(...messages),
      sendSnapshot: () => {},
      onSoftState: ({ role }) => {
        if (role !== 'leader') this.lessor.demote();
      },
      onLogError: (error) => {
        throw error;
      },
    });
    this.applyLoop = new ApplyLoop(
      {
        clock: this.clock,
        proposals: this.proposals,
        apply: (command, nowMs) => this.#apply(command, nowMs),
        applyConfChange: (entry) => this.#applyConfChange(entry),
        onTermBegun: (term) => {
          if (this.node.isLeader && term === this.node.term) this.lessor.promote(ELECTION_MS, this.clock.monotonicMs());
        },
        onApplied: (index) => this.node.applied(index),
        isBlocked: () => false,
        raiseNoSpace: () => Promise.resolve(),
        applySeconds: () => {},
      },
      0,
      0,
    );
    const auth = new AuthStore({ put: () => {}, delete: () => {}, rows: () => [] });
    const tokens = { newPrefix: () => '', issue: () => '', identify: () => undefined };
    const parts = {
      auth,
      authenticator: new Authenticator({ store: auth, tokens, certificateNames: false }),
      memberId: id,
      clusterId: 1n,
      limits: { requestBytesMax: 1 << 20, quotaBytes: Infinity, requestMs: REQUEST_MS, electionMs: ELECTION_MS },
      backend: { sizeBytes: () => 0 },
      store: { currentRev: 1, keysOf: () => [] },
      lessor: this.lessor,
      alarms: { isActive: () => false },
      cluster: clusterOf(voters),
      transport: { activeSince: (other: bigint) => this.activeSince.get(other) },
      node: this.node,
      applyLoop: this.applyLoop,
      proposals: this.proposals,
      requestIds,
      clock: this.clock,
      logger: silentLogger,
      pendingBytes: () => 0,
    };
    this.core = new ServerCore(parts as unknown as CoreParts);
    this.leases = new LeaseApi(this.core);
    this.node.start(this.applyLoop);
  }

  kinds(): string[] {
    return this.applied.map(({ kind }) => kind);
  }

  #apply(command: Command, nowMs: number): ApplyResult {
    this.applied.push(command);
    const header = { revision: 1 };
    try {
      if (command.kind === 'leaseGrant') {
        const { ID } = command.request;
        const TTL = this.lessor.grant(ID, command.request.TTL, nowMs);
        return { response: { header, ID, TTL }, error: undefined, raisesNoSpace: false };
      }
      if (command.kind === 'leaseRevoke') this.lessor.revoke(command.request.ID);
      return { response: { header }, error: undefined, raisesNoSpace: false };
    } catch (error) {
      if (error instanceof EtcdError) return { response: undefined, error, raisesNoSpace: false };
      throw error;
    }
  }

  #applyConfChange(entry: Entry): { id: bigint; error: undefined } {
    if (entry.type !== EntryType.EntryConfChange) throw new Error('an unexpected conf change');
    const change = decodeConfChange(entry.data);
    this.node.applyConfChange(change);
    return { id: change.id, error: undefined };
  }
}

function clusterOf(voters: readonly bigint[]): Pick<Cluster, 'member' | 'members' | 'voters' | 'version'> {
  const members = voters.map((id) => ({ id, name: `m${id}`, peerURLs: [], clientURLs: [], isLearner: false }));
  return {
    member: (id) => members.find((member) => member.id === id),
    members: () => members,
    voters: () => members,
    version: undefined,
  };
}

/** Members that exchange messages at once, except those that stand still or are cut off. */
export class ClusterRig {
  readonly members: readonly NodeRig[];
  /** Their processes do not run: time passes without them, and what is sent to them waits. */
  readonly paused = new Set<bigint>();
  /** What they send or would get is lost. */
  readonly cutOff = new Set<bigint>();
  readonly #inboxes = new Map<bigint, Message[]>();

  constructor(count: number) {
    const ids = Array.from({ length: count }, (_, at) => BigInt(at + 1));
    this.members = ids.map((id) => new NodeRig(id, ids));
  }

  member(id: number): NodeRig {
    const found = this.members[id - 1];
    if (found === undefined) throw new Error(`no member ${id}`);
    return found;
  }

  /** Lets time pass, and messages with it, in small steps. Promises get their turn. */
  async advance(byMs: number): Promise<void> {
    for (let passed = 0; passed < byMs; passed += 10) {
      const awake = this.members.filter(({ id }) => !this.paused.has(id));
      for (const member of awake) member.clock.advance(10);
      this.#deliver();
      for (const member of awake) member.clock.runSoon();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** Member `id` leads, and everybody knows. */
  async elect(id: number): Promise<void> {
    this.member(id).node.campaign();
    await this.advance(300);
    if (!this.member(id).node.isLeader) throw new Error(`member ${id} does not lead`);
  }

  /** The process goes on: its clock jumps by `stoodMs`, and what was sent to it meanwhile arrives when `messages` says so. */
  wake(id: number, stoodMs: number, messages: 'kept' | 'lost'): void {
    const member = this.member(id);
    member.clock.nowMs += stoodMs;
    this.paused.delete(member.id);
    if (messages === 'lost') this.#inboxes.delete(member.id);
  }

  #deliver(): void {
    for (const from of this.members) {
      for (const message of from.outbox.splice(0)) {
        if (this.cutOff.has(from.id) || this.cutOff.has(message.to)) continue;
        const inbox = this.#inboxes.get(message.to) ?? [];
        this.#inboxes.set(message.to, inbox);
        // What a socket holds is limited.
        if (inbox.length < 1000) inbox.push(message);
      }
    }
    for (const member of this.members) {
      if (this.paused.has(member.id)) continue;
      for (const message of this.#inboxes.get(member.id)?.splice(0) ?? []) member.node.step(message);
    }
  }
}
