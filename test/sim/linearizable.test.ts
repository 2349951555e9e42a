import { describe, expect, test } from 'vitest';
import { isLinearizable, type RegisterOperation } from './checks/linearizable.ts';

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
});
