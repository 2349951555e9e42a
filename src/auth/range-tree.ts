/**
 * What etcd makes of ranges that end before they begin. They hold no key, so any answer would do, were it not that members of
 * one cluster must give the same one: an entry that one of them refuses and another carries out leaves them with different
 * data. etcd's answer follows from where its search in a red-black tree happens to lead, so the same tree is built here.
 */
import { compareBytes } from '../base/bytes.ts';
import { compareEnd, type KeyInterval } from './key-interval.ts';

interface Node {
  readonly interval: KeyInterval;
  isRed: boolean;
  left: Node | undefined;
  right: Node | undefined;
  parent: Node | undefined;
  /** The last end in this subtree. */
  lastEnd: Uint8Array | undefined;
}

/** Ordered by where the intervals begin; its shape depends on the order in which they came. */
export class RangeTree {
  #root: Node | undefined;

  constructor(intervals: Iterable<KeyInterval>) {
    for (const interval of intervals) this.#insert(interval);
    if (this.#root !== undefined) noteEnds(this.#root);
  }

  /** Whether the intervals that the search comes across go on from each other, and reach around the range. */
  covers(range: KeyInterval): boolean {
    let first: Uint8Array | undefined;
    let end: Uint8Array | undefined;
    const isLastOfRun = (interval: KeyInterval): boolean => {
      if (first === undefined) ({ begin: first, end } = interval);
      else if (compareEnd(interval.begin, end) > 0) return true;
      else if (end !== undefined && (interval.end === undefined || compareBytes(interval.end, end) > 0)) {
        end = interval.end;
      }
      return false;
    };
    visit(this.#root, range, isLastOfRun);
    if (first === undefined || compareBytes(first, range.begin) > 0) return false;
    return end === undefined || (range.end !== undefined && compareBytes(end, range.end) >= 0);
  }

  #insert(interval: KeyInterval): void {
    let parent: Node | undefined;
    let isLeft = false;
    for (let at = this.#root; at !== undefined; at = isLeft ? at.left : at.right) {
      parent = at;
      isLeft = compareBytes(interval.begin, at.interval.begin) < 0;
    }
    const node: Node = { interval, isRed: true, left: undefined, right: undefined, parent, lastEnd: undefined };
    if (parent === undefined) this.#root = node;
    else if (isLeft) parent.left = node;
    else parent.right = node;
    this.#balance(node);
  }

  /** No red node may have a red parent. */
  #balance(inserted: Node): void {
    let node = inserted;
    for (let { parent } = node; parent?.isRed === true; { parent } = node) {
      const grandparent = parent.parent as Node;
      const isLeft = parent === grandparent.left;
      const uncle = isLeft ? grandparent.right : grandparent.left;
      if (uncle?.isRed === true) {
        parent.isRed = false;
        uncle.isRed = false;
        grandparent.isRed = true;
        node = grandparent;
        continue;
      }
      const isInner = node === (isLeft ? parent.right : parent.left);
      if (isInner) {
        this.#rotate(parent, isLeft);
        node = parent;
      }
      const upper = node.parent as Node;
      upper.isRed = false;
      grandparent.isRed = true;
      this.#rotate(grandparent, !isLeft);
    }
    (this.#root as Node).isRed = false;
  }

  /** Brings a child of `node` to its place: the right one when it goes down to the left. */
  #rotate(node: Node, toLeft: boolean): void {
    const child = (toLeft ? node.right : node.left) as Node;
    const moved = toLeft ? child.left : child.right;
    if (toLeft) node.right = moved;
    else node.left = moved;
    if (moved !== undefined) moved.parent = node;
    const { parent } = node;
    child.parent = parent;
    if (parent === undefined) this.#root = child;
    else if (parent.left === node) parent.left = child;
    else parent.right = child;
    if (toLeft) child.left = node;
    else child.right = node;
    node.parent = child;
  }
}

function noteEnds(node: Node): Uint8Array | undefined {
  node.lastEnd = node.interval.end;
  for (const child of [node.left, node.right]) {
    if (child === undefined) continue;
    const end = noteEnds(child);
    if (end === undefined || (node.lastEnd !== undefined && compareBytes(end, node.lastEnd) > 0)) node.lastEnd = end;
  }
  return node.lastEnd;
}

/** Stops, and returns true, when `found` does. */
function visit(node: Node | undefined, range: KeyInterval, found: (interval: KeyInterval) => boolean): boolean {
  if (node === undefined) return false;
  const side = sideOf(range, node.interval);
  if (side < 0) return visit(node.left, range, found);
  if (side > 0) {
    const reach = { begin: node.interval.begin, end: node.lastEnd };
    if (sideOf(reach, range) !== 0) return false;
    return visit(node.left, range, found) || visit(node.right, range, found);
  }
  return visit(node.left, range, found) || found(node.interval) || visit(node.right, range, found);
}

/** Negative: left of the other; positive: right of it; zero: it meets it. */
function sideOf(interval: KeyInterval, other: KeyInterval): number {
  const isBefore = compareBytes(interval.begin, other.begin) < 0;
  if (isBefore && interval.end !== undefined && compareBytes(interval.end, other.begin) <= 0) return -1;
  return compareEnd(interval.begin, other.end) >= 0 ? 1 : 0;
}
