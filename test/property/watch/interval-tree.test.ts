/** The interval tree against a list that is searched from end to end. */
import { describe, expect, it } from 'vitest';
import { compareBytes, toHex } from '../../../src/base/bytes.ts';
import { SeededRandom } from '../../../src/base/random.ts';
import { IntervalTree, type Interval } from '../../../src/watch/interval-tree.ts';

/** CPU time of this process: unlike the wall's, not that of whatever else the machine does. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

const nameOf = ({ key, end }: Interval): string => `${toHex(key)}-${toHex(end)}`;

function contains({ key, end }: Interval, probe: Uint8Array): boolean {
  return compareBytes(key, probe) <= 0 && (end.length === 0 || compareBytes(probe, end) < 0);
}

/** Short keys of few letters, so that bounds meet, nest and touch. */
function randomKey(random: SeededRandom, letters: number): Uint8Array {
  return Uint8Array.from({ length: random.below(4) }, () => random.below(letters) * 85);
}

function randomInterval(random: SeededRandom, letters: number): Interval {
  const key = randomKey(random, letters);
  const end = random.below(6) === 0 ? new Uint8Array(0) : randomKey(random, letters);
  return { key, end };
}

/** Sorted, because the tree's order is its own. */
function stabbed(tree: IntervalTree<Interval>, probe: Uint8Array): string {
  const found: Interval[] = [];
  tree.stab(probe, found);
  return found.map(nameOf).toSorted().join(' ');
}

describe('IntervalTree', () => {
  it('finds what a search through all intervals finds, while they come and go', () => {
    let hits = 0;
    for (let seed = 0; seed < 300; seed++) {
      const random = new SeededRandom(seed);
      const tree = new IntervalTree<Interval>();
      const list = new Map<string, Interval>();
      const letters = 2 + random.below(3);
      for (let step = 0; step < 200; step++) {
        const interval = randomInterval(random, letters);
        const known = list.get(nameOf(interval));
        if (tree.find(interval.key, interval.end) !== known) throw new Error(`seed ${seed}: find`);
        if (known === undefined) {
          tree.insert(interval);
          list.set(nameOf(interval), interval);
        } else if (random.below(2) === 0) {
          tree.remove(known);
          list.delete(nameOf(known));
        }
        const probe = randomKey(random, letters);
        const wanted = [...list.values()].filter((one) => contains(one, probe)).map(nameOf);
        hits += wanted.length;
        const seen = stabbed(tree, probe);
        if (seen !== wanted.toSorted().join(' ')) throw new Error(`seed ${seed}, step ${step}: ${seen}`);
      }
      const all: Interval[] = [];
      tree.collect(all);
      expect(all.map(nameOf).toSorted()).toEqual([...list.keys()].toSorted());
      expect(tree.size).toBe(list.size);
    }
    expect(hits).toBeGreaterThan(10_000);
  });

  it('answers in logarithmic time when intervals come in order', () => {
    const tree = new IntervalTree<Interval>();
    const at = (i: number): Uint8Array => new Uint8Array([i >> 16, (i >> 8) & 255, i & 255]);
    const count = 50_000;
    for (let i = 0; i < count; i++) tree.insert({ key: at(2 * i), end: at(2 * i + 1) });
    const started = cpuMs();
    let found = 0;
    for (let i = 0; i < count; i++) {
      const hits: Interval[] = [];
      tree.stab(at(2 * i), hits);
      tree.stab(at(2 * i + 1), hits);
      found += hits.length;
    }
    expect(found).toBe(count);
    /** 100,000 searches: a scan would take minutes. */
    expect(cpuMs() - started).toBeLessThan(2000);
  });
});
