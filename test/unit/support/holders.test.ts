import { describe, expect, test } from 'vitest';
import { Holders } from '../../docker/support/holders.ts';

describe('holders', () => {
  test('one after the other, renewed or not, are fine', () => {
    let nowMs = 0;
    const holders = new Holders(() => nowMs);
    holders.holds('a', 10);
    nowMs = 5;
    holders.holds('a', 15);
    nowMs = 15;
    expect(holders.holder).toBeUndefined();
    holders.holds('b', 20);
    expect(holders.holder).toBe('b');
    holders.released('b');
    holders.released('a');
    holders.holds('c', 30);
    expect(holders.violations).toEqual([]);
    expect(holders.terms).toEqual([
      { holder: 'a', fromMs: 0, untilMs: 15 },
      { holder: 'b', fromMs: 15, untilMs: 15 },
      { holder: 'c', fromMs: 15, untilMs: undefined },
    ]);
  });

  test('two at a time are noticed', () => {
    let nowMs = 0;
    const holders = new Holders(() => nowMs);
    holders.holds('a', 10);
    nowMs = 9;
    holders.holds('b', 20);
    expect(holders.holder).toBeUndefined();
    expect(holders.violations).toEqual(['b holds while a does']);
  });
});
