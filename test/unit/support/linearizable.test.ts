import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { isLinearizable, type RegisterOperation } from '../../support/linearizable.ts';

function write(callMs: number, returnMs: number, value: string | undefined): RegisterOperation {
  return { kind: 'write', callMs, returnMs, value };
}

function read(callMs: number, returnMs: number, value: string | undefined): RegisterOperation {
  return { kind: 'read', callMs, returnMs, value };
}

function swap(callMs: number, returnMs: number, from: string, to: string, done?: boolean): RegisterOperation {
  return { kind: 'swap', callMs, returnMs, from, to, done };
}

describe('linearizability', () => {
  test('a read sees the last write before it', () => {
    expect(isLinearizable([write(0, 1, 'a'), write(2, 3, 'b'), read(4, 5, 'b')])).toBe(true);
    expect(isLinearizable([write(0, 1, 'a'), write(2, 3, 'b'), read(4, 5, 'a')])).toBe(false);
  });

  test('a read beside a write sees it or does not', () => {
    expect(isLinearizable([write(0, 1, 'a'), write(2, 9, 'b'), read(3, 4, 'a')])).toBe(true);
    expect(isLinearizable([write(0, 1, 'a'), write(2, 9, 'b'), read(3, 4, 'b')])).toBe(true);
  });

  test('what one read has seen, the next one does not take back', () => {
    expect(isLinearizable([write(0, 1, 'a'), write(2, 9, 'b'), read(3, 4, 'b'), read(5, 6, 'a')])).toBe(false);
  });

  test('a write without an answer may come late, or never', () => {
    const lost = write(0, Infinity, 'a');
    expect(isLinearizable([lost, read(5, 6, undefined), read(7, 8, 'a')])).toBe(true);
    expect(isLinearizable([lost, read(5, 6, undefined), read(7, 8, undefined)])).toBe(true);
    expect(isLinearizable([lost, read(5, 6, 'a'), read(7, 8, undefined)])).toBe(false);
  });

  test('a deletion is a write of nothing', () => {
    expect(isLinearizable([write(0, 1, 'a'), write(2, 3, undefined), read(4, 5, undefined)])).toBe(true);
    expect(isLinearizable([write(0, 1, 'a'), write(2, 3, undefined), read(4, 5, 'a')])).toBe(false);
  });

  test('of two swaps from the same value one is done', () => {
    const first = write(0, 1, 'a');
    const both = [swap(2, 9, 'a', 'b', true), swap(2, 9, 'a', 'c', true)];
    expect(isLinearizable([first, ...both])).toBe(false);
    expect(isLinearizable([first, both[0] as RegisterOperation, swap(2, 9, 'a', 'c', false)])).toBe(true);
  });

  test('a swap that was not done needs somebody who came before, answered or not', () => {
    expect(isLinearizable([write(0, 1, 'a'), swap(4, 5, 'a', 'b', false)])).toBe(false);
    expect(isLinearizable([write(0, 1, 'a'), write(2, Infinity, 'x'), swap(4, 5, 'a', 'b', false)])).toBe(true);
  });

  test('a swap that was not done says what it found', () => {
    const failed = { ...swap(4, 5, 'x', 'y', false), found: { value: 'a' } } as RegisterOperation;
    expect(isLinearizable([write(0, 1, 'a'), failed])).toBe(true);
    expect(isLinearizable([write(0, 1, 'b'), failed])).toBe(false);
    expect(isLinearizable([write(0, 1, 'b'), write(2, Infinity, 'a'), failed])).toBe(true);
  });

  test('a swap may create and delete', () => {
    const create: RegisterOperation = { kind: 'swap', callMs: 0, returnMs: 1, from: undefined, to: 'a', done: true };
    const remove: RegisterOperation = { kind: 'swap', callMs: 2, returnMs: 3, from: 'a', to: undefined, done: true };
    expect(isLinearizable([create, remove, read(4, 5, undefined)])).toBe(true);
    expect(isLinearizable([create, { ...create, callMs: 2, returnMs: 3 }])).toBe(false);
    expect(isLinearizable([create, remove, read(4, 5, 'a')])).toBe(false);
  });
});

/** What `clients` clients see of a register that is right, answers lost now and then. */
function goodHistory(seed: number, count: number, clients: number): RegisterOperation[] {
  const random = new SeededRandom(seed);
  const busyUntil = new Float64Array(clients);
  const asked = Array.from({ length: count }, (_, i) => {
    const client = random.below(clients);
    const callMs = (busyUntil[client] ?? 0) + random.fraction() * 5;
    const happensMs = callMs + random.fraction() * 20;
    busyUntil[client] = happensMs + random.fraction() * 20;
    return { callMs, happensMs, returnMs: busyUntil[client], i, kind: random.below(3), lost: random.below(50) === 0 };
  });
  let value: string | undefined;
  return asked
    .toSorted((a, b) => a.happensMs - b.happensMs)
    .map(({ callMs, returnMs: answeredMs, i, kind, lost }): RegisterOperation => {
      const returnMs = lost && kind > 0 ? Infinity : answeredMs;
      if (kind === 0) return read(callMs, returnMs, value);
      const from = random.below(2) === 0 ? value : `v${random.below(count)}`;
      const done = from === value;
      const found = { value };
      if (kind === 1 || done) value = `v${i}`;
      if (kind === 1) return write(callMs, returnMs, `v${i}`);
      const told = returnMs === Infinity ? undefined : done;
      return { kind: 'swap', callMs, returnMs, from, to: `v${i}`, done: told, ...(told === false ? { found } : {}) };
    });
}

describe('long histories', () => {
  test('of a good register pass, and with one answer altered fail', () => {
    for (let seed = 1; seed <= 5; seed++) {
      const history = goodHistory(seed, 600, 8);
      expect(isLinearizable(history), `seed ${seed}`).toBe(true);
      const at = history.findIndex(({ kind }, i) => kind === 'read' && i > 300);
      const stale = { ...(history[at] as RegisterOperation), value: 'v0' } as RegisterOperation;
      expect(isLinearizable(history.with(at, stale)), `seed ${seed}, read ${at}`).toBe(false);
    }
  });

  test('are no matter of depth', () => {
    const history = Array.from({ length: 20_000 }, (_, i) => write(2 * i, 2 * i + 1, `v${i}`));
    expect(isLinearizable([...history, read(50_000, 50_001, 'v19999')])).toBe(true);
    expect(isLinearizable([...history, read(50_000, 50_001, 'v19998')])).toBe(false);
  });
});
