/**
 * The open streams of a connection by id. Most live for one turn of the event loop, and their ids count up: those sit in a small
 * ring, and only what a newer stream displaces from there goes into a Map. A Map alone would be replaced by a copy of itself
 * every few dozen calls, and dead copies that the garbage collector has promoted keep dead streams alive.
 */

const RING = 256;

interface Identified {
  readonly id: number;
}

export class StreamTable<S extends Identified> {
  readonly #ring: (S | undefined)[] = Array.from({ length: RING });
  readonly #displaced = new Map<number, S>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): S | undefined {
    const recent = this.#ring[slotOf(id)];
    if (recent !== undefined && recent.id === id) return recent;
    return this.#displaced.size === 0 ? undefined : this.#displaced.get(id);
  }

  /** `stream` is not in the table. */
  add(stream: S): void {
    const slot = slotOf(stream.id);
    const before = this.#ring[slot];
    if (before !== undefined) this.#displaced.set(before.id, before);
    this.#ring[slot] = stream;
    this.#size++;
  }

  delete(id: number): void {
    const slot = slotOf(id);
    if (this.#ring[slot]?.id === id) {
      this.#ring[slot] = undefined;
      this.#size--;
    } else if (this.#displaced.delete(id)) {
      this.#size--;
    }
  }

  /** A copy: the table may change meanwhile. */
  all(): S[] {
    return [...this.#ring.filter((stream) => stream !== undefined), ...this.#displaced.values()];
  }
}

/** Ids of clients are odd. */
function slotOf(id: number): number {
  return (id >>> 1) & (RING - 1);
}
