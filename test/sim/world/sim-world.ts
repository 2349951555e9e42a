/** One run's machines, network, clients' books, and the time that they share. */
import { SeededRandom } from '../../../src/base/random.ts';
import type { Entry, Message } from '../../../src/gen/raftpb.ts';
import type { ResponseHeader } from '../../../src/gen/rpc.ts';
import { PowerLoss } from '../../support/memory-file-system.ts';
import { CommittedLog } from '../checks/committed-log.ts';
import { LeaseBook } from '../checks/lease-book.ts';
import { LockBook } from '../checks/lock-book.ts';
import { checkState, Leaders, Monotonic } from '../checks/process-state.ts';
import { RaftLogs } from '../checks/raft-logs.ts';
import type { MembershipChange } from '../model/reference-cluster.ts';
import { describeEntry } from '../model/reference-member.ts';
import type { Mutation } from '../mutations.ts';
import type { Fault, Plan } from '../plan.ts';
import { Links } from './links.ts';
import { Marks } from './marks.ts';
import { Roster } from './roster.ts';
import { Scheduler } from './scheduler.ts';
import { SimNetwork } from './sim-network.ts';
import { type NodeHost, SimNode, type SimProcess } from './sim-node.ts';
import { Trace } from './trace.ts';
import { require, Violation } from './violation.ts';

export interface WorldOptions {
  readonly withText: boolean;
  readonly mutation?: Mutation | undefined;
}

export class SimWorld implements NodeHost {
  readonly plan: Plan;
  readonly scheduler = new Scheduler();
  readonly marks = new Marks();
  readonly trace: Trace;
  readonly mutation: Mutation | undefined;
  readonly network: SimNetwork;
  readonly links: Links;
  /** Every machine there ever was. */
  readonly nodes: SimNode[] = [];
  readonly roster: Roster;
  readonly log: CommittedLog;
  readonly leases: LeaseBook;
  readonly locks = new LockBook();
  readonly raftLogs: RaftLogs;
  violation: Violation | undefined;
  /** For whoever receives a snapshot next. */
  readonly snapshotFaults: Extract<Fault, { kind: 'powerLossInSnapshot' }>[] = [];
  /** The newest revision that any client has been told of. */
  seenRevision = 0;
  /** Requests whose clients never learned what came of them. */
  readonly unknownTags: number[] = [];
  #memberIds = new Set<bigint>();
  readonly #monotonic = new Map<SimNode, Monotonic>();
  readonly #random: SeededRandom;
  readonly #leaders = new Leaders();
  /** Entries that a process applied again after a restart. */
  #replayed = 0;

  constructor(plan: Plan, options: WorldOptions) {
    this.plan = plan;
    this.trace = new Trace(options.withText);
    this.mutation = options.mutation;
    const { seed, knobs } = plan;
    const { networkMs, backlogWeight } = knobs;
    this.network = new SimNetwork(this.scheduler, new SeededRandom(seed + 1), this.marks, networkMs, backlogWeight);
    this.links = new Links(this.scheduler, new SeededRandom(seed + 2), this.marks, networkMs);
    this.log = new CommittedLog(Math.ceil((3 * knobs.electionMs) / 2000));
    this.leases = new LeaseBook(this.log.reference);
    const { cluster } = this.log.reference;
    this.raftLogs = new RaftLogs(cluster);
    this.#random = new SeededRandom(seed + 3);
    this.roster = new Roster(knobs, cluster, (name) => this.#addNode(name));
    for (const name of this.roster.founders()) this.#addNode(name);
  }

  #addNode(name: string): void {
    const { seed, knobs } = this.plan;
    const node = new SimNode(this, name, seed + SEEDS_PER_NODE * (this.nodes.length + 1), knobs);
    this.nodes.push(node);
    this.#monotonic.set(node, new Monotonic());
  }

  get nowMs(): number {
    return this.scheduler.nowMs;
  }

  line(text: string): void {
    this.trace.line(this.scheduler.nowMs, text);
  }

  sleep(delayMs: number, label: string): Promise<void> {
    return this.scheduler.sleep(delayMs, label);
  }

  /** What every answer tells besides its own matter. */
  observe(header: ResponseHeader | undefined): void {
    require(header !== undefined, 'header', () => 'an answer without header');
    const { memberId, revision, raftTerm } = header;
    this.#memberIds.add(memberId);
    require(this.#memberIds.size <= this.nodes.length, 'header', () => `a member ${memberId} nobody started`);
    require(raftTerm > 0, 'header', () => 'no term');
    const { reference } = this.log;
    require(revision <= reference.store.revision, 'header', () => `revision ${revision} is of the future`);
    this.seenRevision = Math.max(this.seenRevision, revision);
  }

  /** After each event: notices crashes and what must hold at all times. */
  afterEvent(): void {
    for (const node of this.nodes) {
      node.afterEvent();
      const { process } = node;
      if (process === undefined) continue;
      (this.#monotonic.get(node) as Monotonic).check(process);
      this.#leaders.check(process, this.marks);
      this.raftLogs.afterEvent(process);
      if ((process.member?.jobs.running ?? 0) > 0) this.marks.hit('sliced');
    }
  }

  /** Something was thrown that nobody caught: the end of the process that was at work. Of a dead one it does not count. */
  crashed(error: unknown): void {
    // Whoever lost its power is noticed after the event.
    if (error instanceof PowerLoss) return;
    const machine = this.scheduler.current?.machine;
    const node = this.nodes.find((one) => one.machine === machine);
    if (node === undefined) this.failed(Violation.of(error));
    else if (node.process?.alive === true) node.process.crashed(error);
  }

  // ---- NodeHost

  entry(process: SimProcess, entry: Entry): void {
    try {
      const applied = this.log.add(entry);
      if (applied === undefined) {
        this.#replayed++;
        return;
      }
      const { error } = applied;
      this.line(`${process.name} applies ${describeEntry(entry)}: ${error?.message ?? applied.answer ?? 'done'}`);
      if (applied.command.kind === 'compaction' && error === undefined) this.marks.hit('compacted');
      if (applied.command.kind === 'leaseCheckpoint') this.marks.hit('leaseCheckpointed');
      if (this.leases.applied(applied, process.node.machine.nowMs)) this.marks.hit('leaseExpired');
      this.roster.applied(applied);
      if (applied.change !== undefined) this.#carryOut(applied.change);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.failed(error);
    }
  }

  /** Machines are switched on when they belong to the cluster; those that do not any more learn it from the others. */
  #carryOut({ kind, id, peerURLs }: MembershipChange): void {
    if (kind === 'add') {
      const node = this.nodes.find(({ name }) => peerURLs.some((url) => this.roster.nameAt(url) === name));
      const delayMs = this.#random.below(SWITCHED_ON_MS);
      if (node !== undefined) this.scheduler.after(delayMs, `${node.name} is switched on`, () => node.start());
    }
    if (kind !== 'remove') return;
    const node = this.nodes.find(({ process }) => process?.member?.state.memberId === id);
    node?.process?.peers.awaitFarewell();
  }

  opened(process: SimProcess): void {
    this.raftLogs.opened(process);
  }

  closed(process: SimProcess): void {
    this.raftLogs.closed(process);
  }

  snapshotArrives(node: SimNode): void {
    const fault = this.snapshotFaults.shift();
    if (fault === undefined) return;
    const { files } = node.disk;
    this.marks.hit('powerLossInSnapshot');
    node.powerLossDownMs = fault.downMs;
    if (fault.atStart) node.powerLossAtStart = fault.steps;
    else files.faults.powerLossAtStep = files.steps + fault.steps;
  }

  sent(process: SimProcess, message: Message): void {
    this.raftLogs.sent(process, message);
  }

  started(process: SimProcess): void {
    this.line(`${process.name} serves`);
    if (this.#replayed > 0) this.marks.hit('replayed');
    this.#replayed = 0;
    const { reference } = this.log;
    if (!process.name.endsWith('.1') && reference.leasesAt(reference.index).length > 0) {
      this.marks.hit('leaseKeptOverRestart');
    }
    try {
      if (this.nodes.length === 1) this.#checkOnlyMember(process);
      checkState(process, reference);
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      this.failed(error);
    }
  }

  /** All that was ever applied is its own, and it leads. */
  #checkOnlyMember({ name, member }: SimProcess): void {
    const { applyLoop, node } = (member as NonNullable<typeof member>).core.parts;
    const { appliedIndex, appliedTerm } = applyLoop;
    const { index } = this.log.reference;
    require(appliedIndex === index, 'acknowledged entries lost', () => {
      return `${name} serves at index ${appliedIndex}, the log ended at ${index}`;
    });
    // Only then it is known what of the log's end is committed.
    require(appliedTerm === node.term, 'serves too soon', () => `${name} is at term ${appliedTerm} of ${node.term}`);
  }

  failed(violation: Violation): void {
    if (this.violation !== undefined) return;
    this.violation = violation;
    this.line(`VIOLATION ${violation.message}`);
  }
}

/** Far enough apart that no two nodes share a sequence. */
const SEEDS_PER_NODE = 1000;
/** A new machine is there at most so long after it was made a member. */
const SWITCHED_ON_MS = 300;
