/**
 * Whether the operations on one register could have happened one after the other, each between its call and its answer, with
 * the results that clients saw. Looks at nothing but the history: no revisions, no log. The search of Wing and Gong, with
 * Lowe's memory of where it has been, as Porcupine does it: one register at a time.
 */

export type RegisterOperation = {
  readonly callMs: number;
  /** Infinity: nobody knows; it may have happened at any time since, or not at all. */
  readonly returnMs: number;
} & (
  | { readonly kind: 'write'; readonly value: string | undefined }
  | { readonly kind: 'read'; readonly value: string | undefined }
  /** Writes if the value is `from`; `done` tells whether it was; undefined: nobody knows. */
  | {
      readonly kind: 'swap';
      readonly from: string | undefined;
      readonly to: string | undefined;
      readonly done: boolean | undefined;
      /** What it found in place of `from`, if it told. */
      readonly found?: { readonly value: string | undefined };
    }
);

/** All of one register, which holds nothing at first. Times are those of one clock. */
export function isLinearizable(operations: readonly RegisterOperation[]): boolean {
  const answered = operations.filter(({ returnMs }) => returnMs < Infinity).toSorted(byCall);
  const open = operations.filter((operation) => operation.returnMs === Infinity && matters(operation, operations));
  return new Search(answered, open.toSorted(byCall)).run();
}

/** Whether anything could tell that an operation without an answer has happened. If nothing can, say that it has not. */
function matters(operation: RegisterOperation, operations: readonly RegisterOperation[]): boolean {
  if (operation.kind === 'read') return false;
  const written = operation.kind === 'write' ? operation.value : operation.to;
  return operations.some((other) => {
    if (other === operation || other.returnMs <= operation.callMs) return false;
    // A swap that failed and does not say what it found tells of any change.
    return other.kind === 'swap'
      ? other.from === written || (other.done === false && (other.found === undefined || other.found.value === written))
      : other.kind === 'read' && other.value === written;
  });
}

function byCall(a: RegisterOperation, b: RegisterOperation): number {
  return a.callMs - b.callMs;
}

/** An operation that may come next, and what the register holds after it. */
interface Move {
  readonly done: Uint8Array;
  readonly at: number;
  readonly value: string | undefined;
}

/** A place that the search has reached: the moves from there that are still to be tried, and the one that is being tried. */
interface Place {
  readonly first: number;
  readonly moves: Move[];
  move: Move | undefined;
}

class Search {
  /** In the order of their calls; so are those that may or may not have happened. */
  readonly #answered: readonly RegisterOperation[];
  readonly #open: readonly RegisterOperation[];
  readonly #answeredDone: Uint8Array;
  readonly #openDone: Uint8Array;
  readonly #seen = new Set<string>();

  constructor(answered: readonly RegisterOperation[], open: readonly RegisterOperation[]) {
    this.#answered = answered;
    this.#open = open;
    this.#answeredDone = new Uint8Array(answered.length);
    this.#openDone = new Uint8Array(open.length);
  }

  /** Depth first; a stack of its own, since a history may be longer than the runtime's stack is deep. */
  run(): boolean {
    const start = this.#reach(0, undefined);
    if (start === 'end') return true;
    const path: Place[] = start === undefined ? [] : [start];
    for (;;) {
      const place = path.at(-1);
      if (place === undefined) return false;
      if (place.move !== undefined) place.move.done[place.move.at] = 0;
      place.move = place.moves.pop();
      if (place.move === undefined) {
        path.pop();
        continue;
      }
      place.move.done[place.move.at] = 1;
      const next = this.#reach(place.first, place.move.value);
      if (next === 'end') return true;
      if (next !== undefined) path.push(next);
    }
  }

  /** The place where the register holds `value`; undefined if the search has been there. All answered before `from` are done. */
  #reach(from: number, value: string | undefined): Place | 'end' | undefined {
    let first = from;
    while (this.#answeredDone[first] === 1) first++;
    if (first === this.#answered.length) return 'end';
    /** No operation that is called after another one has returned can come before it. */
    let callsUntilMs = Infinity;
    let end = first;
    for (; end < this.#answered.length; end++) {
      const { callMs, returnMs } = this.#answered[end] as RegisterOperation;
      if (callMs > callsUntilMs) break;
      if (this.#answeredDone[end] === 0) callsUntilMs = Math.min(callsUntilMs, returnMs);
    }
    const name = `${first} ${this.#answeredDone.subarray(first, end).join('')} ${this.#openDone.join('')} ${value}`;
    if (this.#seen.has(name)) return undefined;
    this.#seen.add(name);
    const moves: Move[] = [];
    collect(this.#open, this.#openDone, 0, callsUntilMs, value, moves);
    collect(this.#answered, this.#answeredDone, first, callsUntilMs, value, moves);
    return { first, moves, move: undefined };
  }
}

/** Appends what may come next, the likeliest (the earliest called) at the end. */
function collect(
  operations: readonly RegisterOperation[],
  done: Uint8Array,
  from: number,
  callsUntilMs: number,
  value: string | undefined,
  moves: Move[],
): void {
  const begin = moves.length;
  for (let at = from; at < operations.length; at++) {
    const operation = operations[at] as RegisterOperation;
    if (operation.callMs > callsUntilMs) break;
    if (done[at] === 1) continue;
    const after = outcome(operation, value);
    if (after !== undefined) moves.push({ done, at, value: after.value });
  }
  moves.push(...moves.splice(begin).toReversed());
}

/** What the register holds after the operation; undefined where the operation cannot happen now. */
function outcome(operation: RegisterOperation, value: string | undefined): { value: string | undefined } | undefined {
  switch (operation.kind) {
    case 'write':
      return { value: operation.value };
    case 'read':
      return operation.value === value ? { value } : undefined;
    case 'swap': {
      const holds = operation.from === value;
      if (operation.done !== undefined && operation.done !== holds) return undefined;
      if (!holds && operation.found !== undefined && operation.found.value !== value) return undefined;
      return { value: holds ? operation.to : value };
    }
  }
}
