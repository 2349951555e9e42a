/** Requests that come on one connection before those ahead of them are answered: in turn, and not too many. */
const WAITING_MAX = 64;

interface Line {
  /** Resolves when the request that came last is over. */
  last: Promise<void>;
  size: number;
}

export class RequestTurns {
  readonly #lines = new WeakMap<object, Line>();

  /**
   * Resolves when the requests before this one are over; undefined when there is none. False: there are too many, and the
   * connection should go. `over`: this one is.
   */
  enter(connection: object, over: Promise<void>): Promise<void> | undefined | false {
    const line = this.#lines.get(connection) ?? { last: Promise.resolve(), size: 0 };
    if (line.size > WAITING_MAX) return false;
    this.#lines.set(connection, line);
    const before = line.size === 0 ? undefined : line.last;
    line.size++;
    line.last = Promise.all([before, over]).then(() => {
      line.size--;
    });
    return before;
  }
}
