/** What an operator does with the members: adds, promotes, removes, moves and lists them. */
import { etcdError } from '../../../src/base/etcd-error.ts';
import {
  decodeMemberAddResponse,
  decodeMemberListResponse,
  encodeMemberAddRequest,
  encodeMemberListRequest,
  encodeMemberPromoteRequest,
  encodeMemberRemoveRequest,
  encodeMemberUpdateRequest,
  type Member,
} from '../../../src/gen/rpc.ts';
import { ClusterService } from '../../../src/gen/services.ts';
import { membershipText, type MembershipChange, type ReferenceMembership } from '../model/reference-cluster.ts';
import type { Action } from '../plan.ts';
import type { Mark } from '../world/marks.ts';
import { require } from '../world/violation.ts';
import type { Called, Caller, Window } from './caller.ts';

const { MemberAdd, MemberList, MemberPromote, MemberRemove, MemberUpdate } = ClusterService.methods;

/** What each change may be refused for, where the log does not say why. */
const REFUSALS: Readonly<Record<MembershipChange['kind'], ReadonlySet<string>>> = {
  add: messages('Unhealthy', 'MemberNotEnoughStarted', 'TooManyLearners', 'PeerURLExist'),
  promote: messages('MemberNotFound', 'MemberNotLearner', 'LearnerNotReady', 'MemberNotEnoughStarted', 'NotLeader'),
  update: messages('MemberNotFound', 'PeerURLExist'),
  remove: messages('MemberNotFound', 'Unhealthy', 'MemberNotEnoughStarted'),
};
const MARKS: Readonly<Record<MembershipChange['kind'], Mark>> = {
  add: 'memberAdded',
  promote: 'memberPromoted',
  update: 'memberUpdated',
  remove: 'memberRemoved',
};
/** The last voter cannot go. */
const DROPPED = 'raft proposal dropped';

export class MemberClient {
  readonly #caller: Caller;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  async add(isLearner: boolean): Promise<void> {
    const { world } = this.#caller;
    const machine = this.#isFormed ? world.roster.newMachine() : undefined;
    if (machine === undefined) return;
    const peerURLs = [world.roster.urlOf(machine)];
    world.roster.asked({ kind: 'add', id: 0n, isLearner, peerURLs });
    const request = encodeMemberAddRequest({ peerURLs, isLearner });
    const called = await this.#caller.call(MemberAdd.path, request);
    const done = this.#judge('add', called, (change) => change.peerURLs.join() === peerURLs.join());
    if (!done || called.outcome.kind !== 'reply') return;
    const { member } = decodeMemberAddResponse(called.outcome.bytes);
    require(member?.isLearner === isLearner, 'wrong answer', () => `added ${machine} as ${member?.isLearner}`);
  }

  async promote(): Promise<void> {
    const learner = this.#members.find(({ isLearner }) => isLearner);
    if (learner === undefined) return;
    const { id } = learner;
    this.#caller.world.roster.asked({ kind: 'promote', id, isLearner: false, peerURLs: [] });
    const called = await this.#caller.call(MemberPromote.path, encodeMemberPromoteRequest({ ID: id }));
    this.#judge('promote', called, (change) => change.id === id);
  }

  async remove({ which, replace = false }: Extract<Action, { kind: 'removeMember' }>): Promise<void> {
    const members = this.#members;
    const { world } = this.#caller;
    const leader = world.nodes.find(({ serving }) => serving?.member?.core.parts.node.isLeader === true);
    const id = which === 'leader' ? leader?.serving?.member?.state.memberId : members[which % members.length]?.id;
    if (id === undefined || !this.#isFormed) return;
    world.roster.asked({ kind: 'remove', id, isLearner: false, peerURLs: [] });
    const called = await this.#caller.call(MemberRemove.path, encodeMemberRemoveRequest({ ID: id }));
    const done = this.#judge('remove', called, (change) => change.id === id);
    if (done && which === 'leader') world.marks.hit('leaderRemoved');
    if (done && replace) await this.add(false);
  }

  async update(which: number): Promise<void> {
    const member = this.#members[which % Math.max(1, this.#members.length)];
    if (member === undefined) return;
    const { id, peerURLs: before } = member;
    const { world } = this.#caller;
    const peerURLs = before.map((url) => world.roster.otherUrlOf(url));
    world.roster.asked({ kind: 'update', id, isLearner: false, peerURLs });
    const called = await this.#caller.call(MemberUpdate.path, encodeMemberUpdateRequest({ ID: id, peerURLs }));
    this.#judge('update', called, (change) => change.id === id && change.peerURLs.join() === peerURLs.join());
  }

  /** As the log has them, at some time since the question; without `linearizable`, at some time. */
  async list(linearizable: boolean): Promise<void> {
    const called = await this.#caller.call(MemberList.path, encodeMemberListRequest({ linearizable }));
    const { outcome, window } = called;
    if (outcome.kind === 'error') this.#mustBeTemporary(called, 'list of members');
    if (outcome.kind !== 'reply') return;
    const listed = membershipText(decodeMemberListResponse(outcome.bytes).members.map(asReference));
    const { cluster } = this.#caller.world.log.reference;
    const earliest = linearizable ? window.invokedIndex : 0;
    let index = window.answeredIndex;
    while (index > earliest && membershipText(cluster.membersAt(index)) !== listed) index--;
    require(membershipText(cluster.membersAt(index)) === listed, 'wrong answer', () => {
      return `members are ${listed}, should be ${membershipText(cluster.membersAt(window.answeredIndex))}`;
    });
  }

  /** A cluster that nobody could join yet is not taken apart. */
  get #isFormed(): boolean {
    return this.#caller.world.log.reference.hasVersion;
  }

  get #members(): readonly ReferenceMembership[] {
    return this.#caller.world.log.reference.cluster.members;
  }

  /** Whether it was carried out. */
  #judge(kind: MembershipChange['kind'], called: Called, isIt: (change: MembershipChange) => boolean): boolean {
    const { world, name } = this.#caller;
    const { outcome, window } = called;
    const said = outcome.kind === 'error' ? outcome.error.message : outcome.kind;
    world.line(`${name} gets ${kind} of a member: ${said}`);
    if (outcome.kind === 'reply') {
      const isInLog = world.roster.changes(kind).some(({ change, index }) => isIt(change) && within(index, window));
      require(isInLog, 'acknowledged, not applied', () => `${kind} of a member`);
      world.marks.hit(MARKS[kind]);
      return true;
    }
    if (outcome.kind === 'error' && !this.#caller.isTemporary(outcome.error)) {
      const { message } = outcome.error;
      const isRight = REFUSALS[kind].has(message) || message === DROPPED;
      require(isRight, 'wrong answer', () => `${kind} of a member got "${message}"`);
      world.marks.hit('changeRefused');
    }
    return false;
  }

  #mustBeTemporary({ outcome }: Called, what: string): void {
    if (outcome.kind !== 'error') return;
    const { error } = outcome;
    require(this.#caller.isTemporary(error), 'wrong answer', () => `${what} got "${error.message}"`);
  }
}

function within(index: number, { answeredIndex }: Window): boolean {
  return index <= answeredIndex;
}

function asReference({ ID, name, peerURLs, clientURLs, isLearner }: Member): ReferenceMembership {
  return { id: ID, name, peerURLs, clientURLs, isLearner };
}

function messages(...names: Parameters<typeof etcdError>[0][]): Set<string> {
  return new Set(names.map((name) => etcdError(name).message));
}
