import { describe, expect, test } from 'vitest';
import type { ApplyResult } from '../../../src/apply/applier.ts';
import type { Command } from '../../../src/apply/command.ts';
import { etcdError } from '../../../src/base/etcd-error.ts';
import { utf8Encode } from '../../../src/base/utf8.ts';
import { EntryType, encodeConfChange, type Entry } from '../../../src/gen/raftpb.ts';
import { encodeRequest } from '../../../src/gen/etcdserver.ts';
import { encodeInternalRaftRequest } from '../../../src/gen/raft-internal.ts';
import { ApplyLoop } from '../../../src/server/apply-loop.ts';
import { Proposals } from '../../../src/server/proposals.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const OK: ApplyResult = { response: { header: { revision: 9 } }, error: undefined, raisesNoSpace: false };

function entry(index: number, data: Uint8Array, type: number = EntryType.EntryNormal, term = 1): Entry {
  return { type, term, index, data };
}

function alarm(index: number, id: bigint): Entry {
  return entry(index, encodeInternalRaftRequest({ header: { ID: id }, alarm: { action: 0, memberID: 0n, alarm: 0 } }));
}

class World {
  readonly clock = new ManualClock();
  readonly proposals = new Proposals(7000);
  readonly log: string[] = [];
  result: ApplyResult = OK;
  isBlocked = false;
  /** Set the alarm, which the loop waits for. */
  raised = Promise.withResolvers<void>();
  readonly loop: ApplyLoop;

  constructor(applied = 0) {
    this.loop = new ApplyLoop(
      {
        clock: this.clock,
        proposals: this.proposals,
        apply: (command: Command) => {
          this.log.push(command.kind);
          return this.result;
        },
        applyConfChange: () => {
          this.log.push('confChange');
          return { id: 7n, error: etcdError('MemberExist') };
        },
        onTermBegun: (term) => this.log.push(`term ${term}`),
        onApplied: (index) => this.log.push(`applied ${index}`),
        isBlocked: () => this.isBlocked,
        raiseNoSpace: () => this.raised.promise,
        applySeconds: () => {},
      },
      applied,
      0,
    );
  }

  settle(): Promise<void> {
    return new Promise((resolve) => setImmediate(resolve));
  }
}

describe('ApplyLoop', () => {
  test('applies every kind of entry, in order, and tells once for a run of them', () => {
    const world = new World(4);
    const legacy = encodeRequest({ ID: 1n, method: 'PUT', path: '/0/version', val: '3.5.0' });
    const change = encodeConfChange({ id: 7n, type: 0, nodeId: 2n, context: new Uint8Array(0) });
    world.loop.push([
      entry(5, new Uint8Array(0), EntryType.EntryNormal, 3),
      alarm(6, 1n),
      entry(7, change, EntryType.EntryConfChange),
      entry(8, legacy),
    ]);
    expect(world.log).toEqual(['term 3', 'alarm', 'confChange', 'clusterVersionSet', 'applied 8']);
    expect([world.loop.appliedIndex, world.loop.appliedTerm]).toEqual([8, 1]);
  });

  test('a gap is a bug', () => {
    expect(() => new World(4).loop.push([alarm(6, 1n)])).toThrow('a gap in the committed log');
  });

  test('answers whoever proposed: with the response, or with why not', async () => {
    const world = new World();
    const command: Command = { kind: 'none' };
    const answered = world.proposals.add(1n, command, 0, utf8Encode('x'));
    const refused = world.proposals.add(7n, command, 0, utf8Encode('y'));
    world.loop.push([alarm(1, 1n), entry(2, new Uint8Array(0), EntryType.EntryConfChange)]);
    expect(await answered).toEqual({ header: { revision: 9 } });
    await expect(refused).rejects.toThrow('etcdserver: member ID already exist');
  });

  test('the one whose write used up the space hears of it when the alarm is set', async () => {
    const world = new World();
    world.result = { response: undefined, error: etcdError('NoSpace'), raisesNoSpace: true };
    let outcome = 'waiting';
    const answer = world.proposals.add(1n, { kind: 'none' }, 0, utf8Encode('x'));
    answer.catch((error: unknown) => (outcome = String(error)));
    world.loop.push([alarm(1, 1n)]);
    await world.settle();
    expect([outcome, world.loop.appliedIndex]).toEqual(['waiting', 1]);
    world.raised.resolve();
    await world.settle();
    expect(outcome).toContain('database space exceeded');
  });

  test('gives others a turn, in the middle of many entries', () => {
    const world = new World();
    world.clock.costMs = 3;
    world.loop.push(Array.from({ length: 200 }, (_, at) => alarm(at + 1, 1n)));
    const first = world.loop.appliedIndex;
    expect(first).toBeLessThan(200);
    expect(world.loop.backlog).toBe(200 - first);
    world.loop.push([alarm(201, 1n)]);
    expect(world.loop.appliedIndex).toBe(first);
    world.clock.costMs = 0;
    world.clock.advance(1000);
    expect([world.loop.appliedIndex, world.loop.backlog]).toEqual([201, 0]);
  });

  test('waits while the write buffer is full', () => {
    const world = new World();
    world.isBlocked = true;
    world.loop.push([alarm(1, 1n)]);
    world.clock.advance(1000);
    expect(world.loop.appliedIndex).toBe(0);
    world.isBlocked = false;
    world.loop.resume();
    expect(world.loop.appliedIndex).toBe(1);
  });

  test('tells who waits for an index, at once or when it is applied', () => {
    const world = new World(4);
    const told: number[] = [];
    for (const index of [4, 5, 5, 6, 8]) world.loop.whenApplied(index, () => told.push(index));
    expect(told).toEqual([4]);
    world.loop.push([alarm(5, 1n), alarm(6, 1n), alarm(7, 1n)]);
    expect(told).toEqual([4, 5, 5, 6]);
    // Only what is complete is seen: the index is that of the run.
    expect(world.log.at(-1)).toBe('applied 7');
  });

  test('after a stop applies nothing, whatever was under way', () => {
    const world = new World();
    world.clock.costMs = 3;
    world.loop.push(Array.from({ length: 200 }, (_, at) => alarm(at + 1, 1n)));
    const before = world.loop.appliedIndex;
    world.loop.stop();
    world.loop.push([alarm(201, 1n)]);
    world.loop.resume();
    world.clock.advance(1000);
    expect(world.loop.appliedIndex).toBe(before);
  });
});
