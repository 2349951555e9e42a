/**
 * Writes one B+tree bottom-up from rows in key order: each page as soon as it is full, branches among the leaves, so that no step
 * has much to do. Memory holds one page that is being filled for each level of the tree.
 */
import { EMPTY } from '../../base/bytes.ts';
import { PageBuilder } from './page-builder.ts';

/** Takes whole pages, in the order of their ids, and tells the id of the first. */
export interface PageSink {
  /** The id that the next page will have. */
  readonly nextPage: number;
  /** `pages` are the sink's during the call only. */
  write(pages: Uint8Array): void;
}

interface Child {
  readonly firstKey: Uint8Array;
  readonly page: number;
}

export class TreeWriter {
  readonly #sink: PageSink;
  readonly #leaf = new PageBuilder('leaf');
  /** Parents of the leaves first. */
  readonly #levels: BranchLevel[] = [];

  constructor(sink: PageSink) {
    this.#sink = sink;
  }

  /** `flags`: LEAF_BUCKET for a nested bucket, 0 otherwise. */
  add(key: Uint8Array, value: Uint8Array, flags: number): void {
    if (!this.#leaf.fits(key, value)) this.#addChild(0, writePage(this.#sink, this.#leaf));
    this.#leaf.add(key, value, flags);
  }

  /** The root page; undefined when nothing was added. */
  finish(): number | undefined {
    if (this.#leaf.count === 0) return undefined;
    this.#addChild(0, writePage(this.#sink, this.#leaf));
    for (let at = 0; ; at++) {
      const level = this.#levels[at] as BranchLevel;
      const only = level.onlyChild;
      if (only !== undefined) return only.page;
      this.#addChild(at + 1, level.finish());
    }
  }

  #addChild(at: number, child: Child): void {
    const level = (this.#levels[at] ??= new BranchLevel(this.#sink));
    const full = level.add(child);
    if (full !== undefined) this.#addChild(at + 1, full);
  }
}

/** One level of branches. The newest child waits until it is known whether it is the last. */
class BranchLevel {
  readonly #sink: PageSink;
  readonly #branch = new PageBuilder('branch');
  #waiting: Child | undefined;
  #children = 0;

  constructor(sink: PageSink) {
    this.#sink = sink;
  }

  /** The child, when there was but one: then it needs no branch above it. */
  get onlyChild(): Child | undefined {
    return this.#children === 1 ? this.#waiting : undefined;
  }

  /** Returns the page that this one did not fit into any more. */
  add(child: Child): Child | undefined {
    const { firstKey, page } = this.#waiting ?? child;
    const isFirst = this.#waiting === undefined;
    this.#waiting = child;
    this.#children++;
    if (isFirst) return undefined;
    const full = this.#branch.fits(firstKey, EMPTY) ? undefined : writePage(this.#sink, this.#branch);
    this.#branch.add(firstKey, EMPTY, page);
    return full;
  }

  /** The last page. It must not be left with a single child: better a little over-full. */
  finish(): Child {
    const { firstKey, page } = this.#waiting as Child;
    this.#branch.add(firstKey, EMPTY, page);
    return writePage(this.#sink, this.#branch);
  }
}

function writePage(sink: PageSink, builder: PageBuilder): Child {
  const firstKey = builder.firstKey();
  const page = sink.nextPage;
  sink.write(builder.finish(page));
  return { firstKey, page };
}
