/**
 * Whether the operations on one register could have happened one after the other, each between its call and its answer, with
 * the results that clients saw. Looks at nothing but the history: no revisions, no log. The search of Wing and Gong, with
 * Lowe's memory of where it has been.
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
      readonly to: string;
      readonly done: boolean | undefined;
    }
);

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
    if (other.returnMs <= operation.callMs) return false;
    // A swap that failed tells of any change.
    return other.kind === 'swap'
      ? other.from === written || other.done === false
      : other.kind === 'read' && other.value === written;
  });
}

function byCall(a: RegisterOperation, b: RegisterOperation): number {
  return a.callMs - b.callMs;
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

  run(): boolean {
    return this.#from(0, undefined);
  }

  /** Whether what is not done can follow, the register holding `value`. All answered operations before `start` are done. */
  #from(start: number, value: string | undefined): boolean {
    let first = start;
    while (this.#answeredDone[first] === 1) first++;
    if (first === this.#answered.length) return true;
    /** No operation that is called after another one has returned can come before it. */
    let callsUntilMs = Infinity;
    let end = first;
    for (; end < this.#answered.length; end++) {
      const { callMs, returnMs } = this.#answered[end] as RegisterOperation;
      if (callMs > callsUntilMs) break;
      if (this.#answeredDone[end] === 0) callsUntilMs = Math.min(callsUntilMs, returnMs);
    }
    const name = `${first} ${this.#answeredDone.subarray(first, end).join('')} ${this.#openDone.join('')} ${value}`;
    if (this.#seen.has(name)) return false;
    this.#seen.add(name);
    return (
      this.#tryEach(this.#answered, this.#answeredDone, first, callsUntilMs, first, value) ||
      this.#tryEach(this.#open, this.#openDone, 0, callsUntilMs, first, value)
    );
  }

  #tryEach(
    operations: readonly RegisterOperation[],
    done: Uint8Array,
    from: number,
    callsUntilMs: number,
    first: number,
    value: string | undefined,
  ): boolean {
    for (let at = from; at < operations.length; at++) {
      const operation = operations[at] as RegisterOperation;
      if (operation.callMs > callsUntilMs) return false;
      if (done[at] === 1) continue;
      for (const next of outcomes(operation, value)) {
        done[at] = 1;
        const fits = this.#from(first, next.value);
        done[at] = 0;
        if (fits) return true;
      }
    }
    return false;
  }
}

/** What the register may hold after the operation; nothing where the operation cannot happen now. */
function outcomes(operation: RegisterOperation, value: string | undefined): { value: string | undefined }[] {
  switch (operation.kind) {
    case 'write':
      return [{ value: operation.value }];
    case 'read':
      return operation.value === value ? [{ value }] : [];
    case 'swap': {
      const holds = operation.from === value;
      if (operation.done !== undefined && operation.done !== holds) return [];
      return [{ value: holds ? operation.to : value }];
    }
  }
}
