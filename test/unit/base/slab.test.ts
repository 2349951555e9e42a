import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { Slab } from '../../../src/base/slab.ts';

describe('a slab', () => {
  test('gives pieces of the length asked for, zeroed, that nobody else has', () => {
    const random = new SeededRandom(1);
    const slab = new Slab(1024, 100);
    const pieces: { bytes: Uint8Array; fill: number }[] = [];
    for (let i = 0; i < 2_000; i++) {
      const length = random.below(130);
      const bytes = slab.take(length);
      expect(bytes.length).toBe(length);
      expect(bytes.every((byte) => byte === 0)).toBe(true);
      const fill = 1 + random.below(255);
      bytes.fill(fill);
      pieces.push({ bytes, fill });
    }
    for (const { bytes, fill } of pieces) expect(bytes.every((byte) => byte === fill)).toBe(true);
  });

  test('is shared by its pieces, and not by those that are too large', () => {
    const slab = new Slab(1024, 100);
    const first = slab.take(100);
    expect(slab.take(100).buffer).toBe(first.buffer);
    expect(slab.take(101).buffer).not.toBe(first.buffer);
    expect(slab.take(101).buffer.byteLength).toBe(101);
    for (let taken = 200; taken + 100 <= 1024; taken += 100) expect(slab.take(100).buffer).toBe(first.buffer);
    expect(slab.take(100).buffer).not.toBe(first.buffer);
  });
});
