/**
 * Writes one B+tree bottom-up from rows in key order: leaves as they fill, then one level of branches after the other. Memory
 * holds the page being filled and, per level, the first key of each page written.
 */
import { EMPTY } from '../../base/bytes.ts';
import { PageBuilder } from './page-builder.ts';

/** Takes whole pages, in the order of their ids, and tells the id of the first. */
export interface PageSink {
  /** The id that the next page will have. */
  readonly nextPage: number;
  write(pages: Uint8Array): void;
}

interface Child {
  readonly firstKey: Uint8Array;
  readonly page: number;
}

export class TreeWriter {
  readonly #sink: PageSink;
  readonly #leaf = new PageBuilder('leaf');
  #leaves: Child[] = [];

  constructor(sink: PageSink) {
    this.#sink = sink;
  }

  /** `flags`: LEAF_BUCKET for a nested bucket, 0 otherwise. */
  add(key: Uint8Array, value: Uint8Array, flags: number): void {
    if (!this.#leaf.fits(key, value)) this.#leaves.push(this.#finish(this.#leaf));
    this.#leaf.add(key, value, flags);
  }

  /** The root page; undefined when nothing was added. */
  finish(): number | undefined {
    if (this.#leaf.count > 0) this.#leaves.push(this.#finish(this.#leaf));
    let level = this.#leaves;
    this.#leaves = [];
    while (level.length > 1) level = this.#branches(level);
    return level[0]?.page;
  }

  #branches(children: readonly Child[]): Child[] {
    const out: Child[] = [];
    const branch = new PageBuilder('branch');
    children.forEach((child, at) => {
      // The last branch must not be left with a single child: it is better a little over-full before it.
      const isLastAlone = at === children.length - 1;
      if (!isLastAlone && !branch.fits(child.firstKey, EMPTY)) out.push(this.#finish(branch));
      branch.add(child.firstKey, EMPTY, child.page);
    });
    out.push(this.#finish(branch));
    return out;
  }

  #finish(builder: PageBuilder): Child {
    const firstKey = builder.firstKey;
    const page = this.#sink.nextPage;
    this.#sink.write(builder.finish(page));
    return { firstKey, page };
  }
}
