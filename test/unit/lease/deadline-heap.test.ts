import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { DeadlineHeap } from '../../../src/lease/deadline-heap.ts';

function takeAll(heap: DeadlineHeap<string>, nowMs: number): string[] {
  const out: string[] = [];
  for (let item = heap.takeDue(nowMs); item !== undefined; item = heap.takeDue(nowMs)) out.push(item);
  return out;
}

describe('DeadlineHeap', () => {
  it('gives out what is due, earliest first, once', () => {
    const heap = new DeadlineHeap<string>();
    heap.set('c', 30);
    heap.set('a', 10);
    heap.set('b', 20);
    expect(takeAll(heap, 9)).toEqual([]);
    expect(takeAll(heap, 20)).toEqual(['a', 'b']);
    expect(takeAll(heap, 100)).toEqual(['c']);
    expect(heap.size).toBe(0);
  });

  it('follows a deadline that moves later and one that moves earlier', () => {
    const heap = new DeadlineHeap<string>();
    heap.set('a', 10);
    heap.set('b', 50);
    heap.set('a', 40);
    heap.set('b', 30);
    expect(takeAll(heap, 29)).toEqual([]);
    expect(takeAll(heap, 100)).toEqual(['b', 'a']);
  });

  it('forgets a deleted item, also when it comes back', () => {
    const heap = new DeadlineHeap<string>();
    heap.set('a', 10);
    heap.delete('a');
    expect(takeAll(heap, 100)).toEqual([]);
    heap.set('a', 10);
    heap.delete('a');
    heap.set('a', 200);
    expect(takeAll(heap, 100)).toEqual([]);
    expect(takeAll(heap, 200)).toEqual(['a']);
  });

  it('stays within its bound whatever is done to it', () => {
    const random = new SeededRandom(1);
    const heap = new DeadlineHeap<number>();
    for (let step = 0; step < 200_000; step++) {
      const item = random.below(100);
      if (random.below(10) === 0) heap.delete(item);
      else heap.set(item, random.below(1_000_000));
      if (heap.entries > 2 * heap.size + 64) throw new Error(`${heap.entries} entries for ${heap.size} items`);
    }
    expect(heap.size).toBeGreaterThan(50);
  });
});
