import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Durability } from '../../../src/raft/durability.ts';
import { Inflights } from '../../../src/raft/inflights.ts';
import { Progress } from '../../../src/raft/progress.ts';
import { RaftLog } from '../../../src/raft/raft-log.ts';
import type { Entry } from '../../../src/raft/types.ts';
import { confState } from './support/member.ts';
import { entry } from './support/small-cluster.ts';

function logOf(terms: readonly number[], snapshot = { index: 0, term: 0 }): RaftLog {
  return new RaftLog({
    hardState: { term: terms.at(-1) ?? 0, vote: 0n, commit: snapshot.index },
    confState: confState([1n]),
    snapshot,
    entries: terms.map((term, i) => entry(snapshot.index + 1 + i, term, `${i}`)),
    applied: snapshot.index,
  });
}

describe('RaftLog', () => {
  test('is a window: what the snapshot stands for is unknown, except its own position', () => {
    const log = logOf([3, 4], { index: 7, term: 3 });
    expect([6, 7, 8, 9, 10].map((index) => log.termAt(index))).toEqual([undefined, 3, 3, 4, undefined]);
    expect([log.firstIndex, log.lastIndex, log.lastTerm, log.bytes]).toEqual([8, 9, 4, 2]);
  });

  test('an empty window ends with the snapshot', () => {
    const log = logOf([], { index: 7, term: 3 });
    expect([log.firstIndex, log.lastIndex, log.lastTerm]).toEqual([8, 7, 3]);
    expect(log.isUpToDate(7, 3)).toBe(true);
    expect(log.isUpToDate(6, 3)).toBe(false);
  });

  test('refuses a log with gaps, falling terms, or less than what was committed', () => {
    const log = logOf([1, 2]);
    expect(() => log.append([entry(4, 2)])).toThrow('does not follow');
    expect(() => log.append([entry(3, 1)])).toThrow('does not follow');
    expect(() => log.commitTo(3)).toThrow('beyond the end');
    const torn = { hardState: { term: 1, vote: 0n, commit: 5 }, confState: confState([1n]) };
    const initial = { ...torn, snapshot: { index: 0, term: 0 }, entries: [entry(1, 1)], applied: 0 };
    expect(() => new RaftLog(initial)).toThrow('ends before the commit index');
  });

  test('the state machine may be ahead of the commit index that was written', () => {
    const log = new RaftLog({
      hardState: { term: 1, vote: 0n, commit: 1 },
      confState: confState([1n]),
      snapshot: { index: 0, term: 0 },
      entries: [entry(1, 1), entry(2, 1), entry(3, 1)],
      applied: 2,
    });
    expect([log.committed, log.applied]).toEqual([2, 2]);
  });

  test('slices by bytes, one entry at least', () => {
    const log = logOf([1, 1, 1]);
    expect(log.slice(1, 3, 0).map(({ index }) => index)).toEqual([1]);
    expect(log.slice(1, 3, 50).map(({ index }) => index)).toEqual([1, 2]);
    expect(log.slice(2, 3, Infinity).map(({ index }) => index)).toEqual([2, 3]);
  });

  test('counts its payload through append, truncation and compaction', () => {
    const log = logOf([1, 1, 1, 1]);
    log.merge({ index: 1, term: 1 }, [entry(2, 2, 'four')]);
    expect(log.bytes).toBe(5);
    log.commitTo(2);
    log.takeUnpersisted();
    log.setDurable(2);
    expect(log.takeCommitted(Infinity, Infinity)).toHaveLength(2);
    log.setApplied(2);
    log.compactTo(1);
    expect(log.bytes).toBe(4);
  });

  test('an entry without payload takes memory too, until it is compacted', () => {
    const log = logOf([1]);
    const before = log.memoryBytes;
    log.append([{ type: 0, term: 1, index: 2, data: new Uint8Array(0) }]);
    expect(log.memoryBytes).toBeGreaterThan(before + 100);
    log.commitTo(2);
    log.takeUnpersisted();
    log.setDurable(2);
    log.takeCommitted(Infinity, Infinity);
    log.setApplied(2);
    log.compactTo(2);
    expect(log.memoryBytes).toBe(0);
  });

  test('merge agrees with a slow model: keep what matches, cut at the first conflict', () => {
    const terms = fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 6 }).map((list) => list.sort((a, b) => a - b));
    fc.assert(
      fc.property(terms, terms, fc.nat(6), (own, leaders, cut) => {
        const at = Math.min(cut, leaders.length);
        const previous = { index: at, term: leaders[at - 1] ?? 0 };
        const entries: Entry[] = leaders.slice(at).map((term, i) => entry(at + 1 + i, term));
        const log = logOf(own);
        const last = log.merge(previous, entries);
        const after = Array.from({ length: log.lastIndex }, (_, i) => log.termAt(i + 1));
        const follows = at <= own.length && (at === 0 || own[at - 1] === leaders[at - 1]);
        const conflict = leaders.findIndex((term, i) => i >= at && own[i] !== term);
        const merged = conflict === -1 ? own : [...own.slice(0, conflict), ...leaders.slice(conflict)];
        expect([last, after]).toEqual(follows ? [leaders.length, merged] : [undefined, own]);
      }),
      { numRuns: 500 },
    );
  });

  test('highestNotAbove agrees with a search', () => {
    const log = logOf([1, 1, 3, 3, 5], { index: 10, term: 1 });
    for (let index = 10; index <= 20; index++) {
      for (let term = 1; term <= 6; term++) {
        let expected = Math.min(index, 15);
        while (expected >= 10 && (log.termAt(expected) ?? 0) > term) expected--;
        expect(log.highestNotAbove(index, term).index).toBe(expected);
      }
    }
    expect(log.highestNotAbove(15, 0)).toEqual({ index: 9, term: undefined });
  });
});

describe('Durability', () => {
  /** Takes what is new in `log` as write number `sequence`. */
  function write(log: RaftLog, durability: Durability, sequence: number): void {
    durability.started(sequence, log.takeUnpersisted()[0]?.index ?? 0, { term: 1, commit: 0 });
  }

  test('an acknowledged write counts up to the first index that a later one replaces', () => {
    const log = logOf([1]);
    const durability = new Durability(log, 1, 0);
    log.append([entry(2, 1), entry(3, 1)]);
    write(log, durability, 1);
    log.merge({ index: 1, term: 1 }, [entry(2, 2)]);
    durability.acknowledged(1);
    expect(log.durable).toBe(1); // replaced, though the replacement was not even offered
    write(log, durability, 2);
    log.merge({ index: 1, term: 1 }, [entry(2, 3), entry(3, 3)]);
    write(log, durability, 3);
    durability.acknowledged(2);
    expect(log.durable).toBe(1);
    durability.acknowledged(3);
    expect(log.durable).toBe(3);
  });

  test('a hard state alone holds no entries back, and its term and commit index count when written', () => {
    const log = logOf([1]);
    const durability = new Durability(log, 1, 0);
    durability.started(1, 0, { term: 2, commit: 4 });
    durability.started(2, 0, { term: 3, commit: 5 });
    durability.acknowledged(1);
    expect([durability.term, durability.commitStarted, log.durable]).toEqual([2, 5, 1]);
    durability.acknowledged(2);
    expect(durability.term).toBe(3);
  });
});

describe('Inflights', () => {
  test('agrees with a list', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(3), fc.nat(20)), { maxLength: 200 }), (steps) => {
        const window = new Inflights(20, 100);
        let list: [number, number][] = [];
        let next = 1;
        for (const [kind, amount] of steps) {
          if (kind > 0) {
            if (window.full) continue;
            window.add(next, amount);
            list.push([next, amount]);
            next += 1 + (amount % 3);
          } else {
            const to = next - amount;
            window.freeTo(to);
            list = list.filter(([last]) => last > to);
          }
          const bytes = list.reduce((sum, [, size]) => sum + size, 0);
          expect([window.count, window.bytes]).toEqual([list.length, bytes]);
          expect(window.full).toBe(list.length >= 20 || bytes >= 100);
        }
      }),
    );
  });

  test('adding to a full window is a bug', () => {
    const window = new Inflights(1, 0);
    window.add(1, 10);
    expect(() => window.add(2, 10)).toThrow('full');
    window.clear();
    window.add(2, 10);
    expect(window.bytes).toBe(10);
  });
});

describe('Progress', () => {
  const fresh = (): Progress => new Progress(10, new Inflights(2, 0));

  test('a probe is one message at a time; an answer lifts the pause', () => {
    const progress = fresh();
    progress.sent(3, 30, 0);
    expect([progress.paused, progress.next]).toEqual([true, 10]);
    expect(progress.update(12)).toBe(true);
    expect([progress.paused, progress.match, progress.next]).toEqual([false, 12, 13]);
    expect(progress.update(12)).toBe(false);
  });

  test('replicating moves next ahead and pauses when the window is full', () => {
    const progress = fresh();
    progress.becomeReplicate();
    progress.sent(3, 30, 0);
    progress.sent(1, 10, 0);
    expect([progress.next, progress.paused, progress.inflights.count]).toEqual([5, true, 2]);
  });

  test('a refusal steps back to the hint, never to what is known to match; stale ones are ignored', () => {
    const progress = fresh();
    expect(progress.stepBack(8, 3)).toBe(false);
    expect(progress.stepBack(9, 3)).toBe(true);
    expect(progress.next).toBe(4);
    progress.update(3);
    expect(progress.stepBack(3, 0)).toBe(true);
    expect(progress.next).toBe(4);
    progress.becomeReplicate();
    expect(progress.stepBack(3, 0)).toBe(false);
    progress.sent(4, 4, 0);
    expect(progress.stepBack(7, 0)).toBe(true);
    expect(progress.next).toBe(4);
  });

  test('a hint above what was refused does not move next forward', () => {
    const progress = fresh();
    expect(progress.stepBack(9, 50)).toBe(true);
    expect(progress.next).toBe(9);
  });

  test('a snapshot blocks until it is over; then probing starts after it', () => {
    const progress = fresh();
    progress.becomeSnapshot(20);
    expect([progress.paused, progress.next]).toEqual([true, 21]);
    progress.becomeProbe();
    expect([progress.paused, progress.next, progress.pendingSnapshot]).toEqual([false, 21, 0]);
  });
});
