import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { ConfChangeType } from '../../../src/gen/raftpb.ts';
import {
  ConfChangeError,
  applyConfChange,
  decodeAnyConfChange,
  encodeAnyConfChange,
  isLeaveJoint,
} from '../../../src/raft/conf-change.ts';
import { confStateOf, configurationFrom, type Configuration } from '../../../src/raft/configuration.ts';
import type { ConfChangeV2, ConfState } from '../../../src/raft/types.ts';
import { confState } from './support/member.ts';

/**
 * The second implementation: each member has one state word for the configuration being entered and one for the one being
 * left, and rules move single members.
 */
interface Model {
  members: Map<bigint, { now?: 'voter' | 'learner'; before?: 'voter' }>;
  joint: boolean;
  autoLeave: boolean;
}

function modelApply(from: Model, change: ConfChangeV2): Model | 'refused' {
  const model: Model = structuredClone(from);
  const voters = () => [...model.members.values()].filter(({ now }) => now === 'voter').length;
  if (change.transition === 0 && change.changes.length === 0) {
    if (!model.joint) return 'refused';
    for (const [id, member] of model.members) {
      delete member.before;
      if (member.now === undefined) model.members.delete(id);
    }
    return { ...model, joint: false, autoLeave: false };
  }
  if (model.joint) return 'refused';
  const toJoint = change.transition !== 0 || change.changes.length > 1;
  if (toJoint) {
    if (voters() === 0) return 'refused';
    for (const member of model.members.values()) if (member.now === 'voter') member.before = 'voter';
  }
  for (const { type, nodeId } of change.changes) {
    if (nodeId === 0n || type === ConfChangeType.ConfChangeUpdateNode) continue;
    const member = model.members.get(nodeId) ?? {};
    model.members.set(nodeId, member);
    if (type === ConfChangeType.ConfChangeRemoveNode) delete member.now;
    else member.now = type === ConfChangeType.ConfChangeAddNode ? 'voter' : 'learner';
    if (member.now === undefined && member.before === undefined) model.members.delete(nodeId);
  }
  if (voters() === 0) return 'refused';
  return { ...model, joint: toJoint, autoLeave: toJoint && change.transition !== 2 };
}

function modelConfState({ members, autoLeave }: Model): ConfState {
  const ids = (which: (m: { now?: string; before?: string }) => boolean): bigint[] =>
    [...members]
      .filter(([, member]) => which(member))
      .map(([id]) => id)
      .sort((a, b) => Number(a - b));
  return {
    voters: ids(({ now }) => now === 'voter'),
    votersOutgoing: ids(({ before }) => before === 'voter'),
    learners: ids(({ now, before }) => now === 'learner' && before === undefined),
    learnersNext: ids(({ now, before }) => now === 'learner' && before === 'voter'),
    autoLeave,
  };
}

function applyOrRefuse(from: Configuration, change: ConfChangeV2): Configuration | 'refused' {
  try {
    return applyConfChange(from, change);
  } catch (error) {
    if (error instanceof ConfChangeError) return 'refused';
    throw error;
  }
}

const change = fc.record({
  transition: fc.constantFrom(0, 0, 1, 2),
  changes: fc.array(fc.record({ type: fc.nat(3), nodeId: fc.bigInt(0n, 5n) }), { maxLength: 4 }),
  context: fc.constant(EMPTY),
});

describe('configuration changes', () => {
  test('agree with the model, refusals included', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        let configuration = configurationFrom(confState([1n]));
        let model: Model = { members: new Map([[1n, { now: 'voter' as const }]]), joint: false, autoLeave: false };
        for (const next of changes) {
          const expected = modelApply(model, next);
          const actual = applyOrRefuse(configuration, next);
          expect(actual === 'refused' ? actual : confStateOf(actual)).toEqual(
            expected === 'refused' ? expected : modelConfState(expected),
          );
          if (expected === 'refused' || actual === 'refused') continue;
          configuration = actual;
          model = expected;
          expect(configurationFrom(confStateOf(configuration))).toEqual(configuration);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('do not touch the configuration they start from', () => {
    const from = configurationFrom(confState([1n, 2n, 3n], { learners: [4n] }));
    const before = confStateOf(from);
    applyConfChange(from, {
      transition: 2,
      changes: [
        { type: ConfChangeType.ConfChangeRemoveNode, nodeId: 1n },
        { type: ConfChangeType.ConfChangeAddNode, nodeId: 4n },
      ],
      context: EMPTY,
    });
    expect(confStateOf(from)).toEqual(before);
  });

  test('an unknown kind of change is refused', () => {
    const from = configurationFrom(confState([1n]));
    expect(() => applyConfChange(from, { id: 0n, type: 9, nodeId: 2n, context: EMPTY })).toThrow('unknown change type');
  });

  test('both formats survive their encoding; leaving a joint configuration is an empty entry', () => {
    const v1 = { id: 7n, type: 3, nodeId: 0xf123456789abcdefn, context: new Uint8Array([1, 2]) };
    expect(decodeAnyConfChange(encodeAnyConfChange(v1))).toEqual(v1);
    const v2 = { transition: 1, changes: [{ type: 1, nodeId: 2n }], context: EMPTY };
    expect(decodeAnyConfChange(encodeAnyConfChange(v2))).toEqual(v2);
    const leave = decodeAnyConfChange({ type: 2, data: EMPTY });
    expect(leave !== undefined && isLeaveJoint(leave)).toBe(true);
    expect(decodeAnyConfChange({ type: 0, data: EMPTY })).toBeUndefined();
  });

  test.each([
    ['also a voter', confState([1n], { learners: [1n] })],
    ['not a leaving voter', confState([1n], { learnersNext: [2n] })],
    ['parts of a joint configuration', confState([1n], { autoLeave: true })],
    ['without incoming voters', confState([], { votersOutgoing: [1n] })],
  ])('a configuration that cannot be is not accepted: %s', (why, state) => {
    expect(() => configurationFrom(state)).toThrow(why);
  });
});
