import { toBinaryString } from '../base/bytes.ts';
import { assert } from '../base/assert.ts';
import { IntervalTree } from './interval-tree.ts';
import type { Matched } from './matched.ts';
import type { Watcher } from './watcher.ts';

/** The watchers of one range: matching is done once for all of them. */
export class RangeGroup {
  readonly key: Uint8Array;
  /** Empty: without bound. Of a single key: unused. */
  readonly end: Uint8Array;
  /** In no particular order; never empty while the group is in the index. */
  readonly watchers: Watcher[] = [];
  /** What matched in the delivery under way; undefined in between. */
  matched: Matched | undefined;

  constructor(key: Uint8Array, end: Uint8Array) {
    this.key = key;
    this.end = end;
  }
}

const NO_END = new Uint8Array(0);

/** Watchers by what they watch: a hash table for single keys, an interval tree for ranges. */
export class RangeIndex {
  readonly #keys = new Map<string, RangeGroup>();
  readonly #ranges = new IntervalTree<RangeGroup>();
  #watchers = 0;

  get watchers(): number {
    return this.#watchers;
  }

  add(watcher: Watcher): void {
    assert(watcher.group === undefined, 'a watcher is in two indexes', { id: watcher.id });
    const group = watcher.end === undefined ? this.#keyGroup(watcher.key) : this.#rangeGroup(watcher.key, watcher.end);
    watcher.group = group;
    watcher.groupSlot = group.watchers.length;
    group.watchers.push(watcher);
    this.#watchers++;
  }

  /** The watcher must be in this index. The last of its group takes its place: safe while walking a group backwards. */
  remove(watcher: Watcher): void {
    const { group, groupSlot } = watcher;
    assert(group !== undefined && group.watchers[groupSlot] === watcher, 'a watcher is not in its group', {
      id: watcher.id,
    });
    const last = group.watchers.pop() as Watcher;
    if (last !== watcher) {
      group.watchers[groupSlot] = last;
      last.groupSlot = groupSlot;
    }
    watcher.group = undefined;
    watcher.groupSlot = -1;
    this.#watchers--;
    if (group.watchers.length > 0) return;
    if (watcher.end === undefined) this.#keys.delete(toBinaryString(group.key));
    else this.#ranges.remove(group);
  }

  /** Appends the groups whose range contains `key` to `found`. */
  match(key: Uint8Array, found: RangeGroup[]): void {
    if (this.#keys.size > 0) {
      const group = this.#keys.get(toBinaryString(key));
      if (group !== undefined) found.push(group);
    }
    this.#ranges.stab(key, found);
  }

  /** Every watcher, as an array of its own: the index may change meanwhile. */
  all(): Watcher[] {
    const groups: RangeGroup[] = [...this.#keys.values()];
    this.#ranges.collect(groups);
    return groups.flatMap((group) => group.watchers);
  }

  #keyGroup(key: Uint8Array): RangeGroup {
    const name = toBinaryString(key);
    let group = this.#keys.get(name);
    if (group === undefined) this.#keys.set(name, (group = new RangeGroup(key, NO_END)));
    return group;
  }

  #rangeGroup(key: Uint8Array, end: Uint8Array): RangeGroup {
    let group = this.#ranges.find(key, end);
    if (group === undefined) this.#ranges.insert((group = new RangeGroup(key, end)));
    return group;
  }
}
