import { compareBytes } from '../base/bytes.ts';

/** Keys from `key` up to but without `end`; an empty `end` means without bound. */
export interface Interval {
  readonly key: Uint8Array;
  readonly end: Uint8Array;
}

/**
 * Invariants: nodes are in order of (key, end) and all different; heights of siblings differ by one at most (AVL);
 * `endMax` is the greatest end in the subtree.
 */
interface Node<T extends Interval> {
  interval: T;
  left: Node<T> | undefined;
  right: Node<T> | undefined;
  height: number;
  endMax: Uint8Array;
}

/** A set of intervals that answers "which of you contain this key?" in O(log n + answers). */
export class IntervalTree<T extends Interval> {
  #root: Node<T> | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The interval with exactly these bounds. */
  find(key: Uint8Array, end: Uint8Array): T | undefined {
    let node = this.#root;
    while (node !== undefined) {
      const order = compareBounds(key, end, node.interval);
      if (order === 0) return node.interval;
      node = order < 0 ? node.left : node.right;
    }
    return undefined;
  }

  /** `interval` must not be there yet. */
  insert(interval: T): void {
    this.#root = insertInto(this.#root, interval);
    this.#size++;
  }

  /** `interval` must be there. */
  remove(interval: T): void {
    this.#root = removeFrom(this.#root, interval.key, interval.end);
    this.#size--;
  }

  /** Appends every interval that contains `key` to `found`. */
  stab(key: Uint8Array, found: T[]): void {
    stabNode(this.#root, key, found);
  }

  /** Appends all intervals, in order. */
  collect(into: T[]): void {
    collectNode(this.#root, into);
  }
}

/** Unbounded ends are greater than all others. */
function compareEnds(a: Uint8Array, b: Uint8Array): number {
  if (a.length === 0) return b.length === 0 ? 0 : 1;
  if (b.length === 0) return -1;
  return compareBytes(a, b);
}

function compareBounds(key: Uint8Array, end: Uint8Array, other: Interval): number {
  const order = compareBytes(key, other.key);
  return order !== 0 ? order : compareEnds(end, other.end);
}

function endsAfter(end: Uint8Array, key: Uint8Array): boolean {
  return end.length === 0 || compareBytes(key, end) < 0;
}

function stabNode<T extends Interval>(start: Node<T> | undefined, key: Uint8Array, found: T[]): void {
  let node = start;
  while (node !== undefined && endsAfter(node.endMax, key)) {
    stabNode(node.left, key, found);
    if (compareBytes(node.interval.key, key) > 0) return;
    if (endsAfter(node.interval.end, key)) found.push(node.interval);
    node = node.right;
  }
}

function collectNode<T extends Interval>(node: Node<T> | undefined, into: T[]): void {
  if (node === undefined) return;
  collectNode(node.left, into);
  into.push(node.interval);
  collectNode(node.right, into);
}

function insertInto<T extends Interval>(node: Node<T> | undefined, interval: T): Node<T> {
  if (node === undefined) return { interval, left: undefined, right: undefined, height: 1, endMax: interval.end };
  if (compareBounds(interval.key, interval.end, node.interval) < 0) node.left = insertInto(node.left, interval);
  else node.right = insertInto(node.right, interval);
  return balance(node);
}

function removeFrom<T extends Interval>(
  node: Node<T> | undefined,
  key: Uint8Array,
  end: Uint8Array,
): Node<T> | undefined {
  if (node === undefined) return undefined;
  const order = compareBounds(key, end, node.interval);
  if (order < 0) node.left = removeFrom(node.left, key, end);
  else if (order > 0) node.right = removeFrom(node.right, key, end);
  else {
    if (node.left === undefined) return node.right;
    if (node.right === undefined) return node.left;
    let next = node.right;
    while (next.left !== undefined) next = next.left;
    node.interval = next.interval;
    node.right = removeFrom(node.right, next.interval.key, next.interval.end);
  }
  return balance(node);
}

function heightOf<T extends Interval>(node: Node<T> | undefined): number {
  return node === undefined ? 0 : node.height;
}

function update<T extends Interval>(node: Node<T>): void {
  const { left, right } = node;
  node.height = 1 + Math.max(heightOf(left), heightOf(right));
  let endMax = node.interval.end;
  if (left !== undefined && compareEnds(left.endMax, endMax) > 0) endMax = left.endMax;
  if (right !== undefined && compareEnds(right.endMax, endMax) > 0) endMax = right.endMax;
  node.endMax = endMax;
}

/** Restores the invariants of `node` after one change below it; returns the root of the subtree. */
function balance<T extends Interval>(node: Node<T>): Node<T> {
  const { left, right } = node;
  const tilt = heightOf(left) - heightOf(right);
  if (tilt > 1 && left !== undefined) {
    if (heightOf(left.left) < heightOf(left.right)) node.left = rotateLeft(left);
    return rotateRight(node);
  }
  if (tilt < -1 && right !== undefined) {
    if (heightOf(right.right) < heightOf(right.left)) node.right = rotateRight(right);
    return rotateLeft(node);
  }
  update(node);
  return node;
}

function rotateRight<T extends Interval>(node: Node<T>): Node<T> {
  const top = node.left as Node<T>;
  node.left = top.right;
  top.right = node;
  update(node);
  update(top);
  return top;
}

function rotateLeft<T extends Interval>(node: Node<T>): Node<T> {
  const top = node.right as Node<T>;
  node.right = top.left;
  top.left = node;
  update(node);
  update(top);
  return top;
}
