/** What a process is held to at all times, and what it holds when it begins to serve. */
import { rangeOf } from '../../../src/apply/range-of.ts';
import type { ReferenceMember } from '../model/reference-member.ts';
import { membershipText } from '../model/reference-cluster.ts';
import { encodedText, versionText } from '../model/versions.ts';
import type { Marks } from '../world/marks.ts';
import type { SimProcess } from '../world/sim-node.ts';
import { require } from '../world/violation.ts';

const ZERO_KEY = new Uint8Array(1);

/** Indexes, terms and revisions that may only grow. What survives a process is for RaftLogs to check. */
export class Monotonic {
  #process: SimProcess | undefined;
  #commit = 0;
  #applied = 0;
  #revision = 0;
  #term = 0;

  check(process: SimProcess): void {
    const { member } = process;
    if (member === undefined || !process.alive) return;
    const { node, applyLoop, store } = member.core.parts;
    const { commitIndex, term } = node;
    const { appliedIndex } = applyLoop;
    if (this.#process !== process) {
      this.#process = process;
      this.#commit = this.#applied = this.#revision = this.#term = 0;
    }
    this.#grows(process, 'commit index', this.#commit, commitIndex);
    this.#grows(process, 'applied index', this.#applied, appliedIndex);
    this.#grows(process, 'revision', this.#revision, store.currentRev);
    this.#grows(process, 'term', this.#term, term);
    this.#term = term;
    require(appliedIndex <= commitIndex, 'applied, not committed', () => `${process.name}: ${appliedIndex}`);
    this.#commit = commitIndex;
    this.#applied = appliedIndex;
    this.#revision = store.currentRev;
  }

  #grows(process: SimProcess, what: string, before: number, now: number): void {
    require(now >= before, 'not monotonic', () => `${process.name}: the ${what} goes from ${before} to ${now}`);
  }
}

/** At most one leader in any term. */
export class Leaders {
  readonly #ofTerm = new Map<number, bigint>();
  #newestTerm = 0;

  check(process: SimProcess, marks: Marks): void {
    const { member } = process;
    if (member === undefined || !process.alive) return;
    const { node, memberId } = member.core.parts;
    if (!node.isLeader) return;
    const known = this.#ofTerm.get(node.term);
    if (known === undefined) {
      if (this.#ofTerm.size > 0) marks.hit('newLeader');
      this.#ofTerm.set(node.term, memberId);
      this.#newestTerm = Math.max(this.#newestTerm, node.term);
    } else if (node.term < this.#newestTerm) marks.hit('leaderOfMinority');
    require(known === undefined || known === memberId, 'two leaders', () => {
      return `${process.name} leads in term ${node.term}, as member ${known} does`;
    });
  }
}

/** Everything that the process holds against what the log makes of it. */
export function checkState(process: SimProcess, reference: ReferenceMember): void {
  const member = process.member as NonNullable<SimProcess['member']>;
  const { store, lessor, alarms, applyLoop, cluster } = member.core.parts;
  const index = applyLoop.appliedIndex;
  const same = (what: string, actual: unknown, expected: unknown): void => {
    require(String(actual) === String(expected), 'state', () => {
      return `${process.name} at index ${index}: ${what} is ${String(actual)}, should be ${String(expected)}`;
    });
  };
  require(index <= reference.index, 'state', () =>
    `${process.name} at index ${index}, the log ends at ${reference.index}`);
  const revision = reference.revisionAt(index);
  same('the revision', store.currentRev, revision);
  same('the compact revision', store.compactRev, reference.compactRevAt(index));
  const held = store.range(rangeOf(ZERO_KEY, ZERO_KEY)).kvs.map(encodedText);
  const wanted = reference.store.range('\0', '\0', revision).map((version) => versionText(version));
  const members = reference.cluster.membersAt(index);
  same('the members', membershipText(cluster.members()), membershipText(members));
  const { voters, learners } = member.raft.confState();
  const ofKind = (isLearner: boolean): bigint[] =>
    members.filter((one) => one.isLearner === isLearner).map(({ id }) => id);
  same('the voters', voters.toSorted(ascending).join(), ofKind(false).join());
  same('the learners', learners.toSorted(ascending).join(), ofKind(true).join());
  same('the keys', held.join(' '), wanted.join(' '));
  const leases = lessor.leases().toSorted(ascending);
  const ids = reference.leasesAt(index).map(({ id }) => id);
  same('the leases', leases.join(), ids.toSorted(ascending).join());
  for (const id of leases) same(`lease ${id}`, store.keysOf(id).map(latin1), reference.store.keysOf(id, revision));
  if (index === reference.index) same('the alarms', alarms.list(0).length, reference.alarmCount);
}

/** What a process holds on to that nobody asks anything; undefined: nothing, as it should. */
export function heldBy(process: SimProcess): string | undefined {
  const { state, core, jobs } = process.member as NonNullable<SimProcess['member']>;
  const { files } = process.node.disk;
  const held = {
    proposals: core.parts.proposals.size,
    jobs: jobs.running,
    'pinned snapshots': [...state.buffer.pins()].length,
    'entries to apply': core.parts.applyLoop.backlog,
    'temporary files': files.list(state.databaseDir).filter((name) => name.endsWith('.tmp')).length,
  };
  const left = Object.entries(held).filter(([, count]) => count > 0);
  if (left.length === 0) return undefined;
  return `${process.name} has ${left.map(([what, count]) => `${count} ${what}`).join(', ')} left`;
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}

function ascending(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
