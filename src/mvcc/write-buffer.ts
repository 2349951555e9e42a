/**
 * Applied changes that the backend does not have yet, held in memory over a view of the backend. Reads see both. The owner
 * flushes now and then: beginFlush() hands out everything pending as one batch, and endFlush() follows once it is durable.
 *
 * Rows live in layers. One layer is active and takes the writes; the others are frozen, so that a snapshot can go on
 * reading them while writes go on. Frozen layers are merged when they become many.
 */
import { assert } from '../base/assert.ts';
import type { Backend, BackendView, Batch, Borrower, Table } from './backend.ts';
import { LayersBatch } from './layers-batch.ts';
import { CursorPool, DELETED, Layer, LayeredReader, type ScanCursor, type ScanReader } from './overlay.ts';

/** Every read looks at each layer: above this many, those of like size are merged. */
const FROZEN_LAYERS_MAX = 4;

/** A view of the backend and how many read through it: the buffer itself and every pin taken meanwhile. */
class SharedView {
  readonly view: BackendView;
  readonly cursors: CursorPool;
  #uses = 1;

  readonly #onClose: () => void;

  constructor(view: BackendView, onClose: () => void) {
    this.#onClose = onClose;
    this.view = view;
    this.cursors = new CursorPool(view);
  }

  retain(): void {
    this.#uses++;
  }

  release(): void {
    assert(this.#uses > 0, 'view released more often than retained');
    if (--this.#uses > 0) return;
    this.view.close();
    this.#onClose();
  }
}

export class WriteBuffer implements ScanReader {
  readonly #backend: Backend;
  #base: SharedView;
  #active = new Layer();
  /** How many snapshots read the active layer: while any does, the next write freezes it. */
  #activePins = 0;
  /** Newest first. */
  #frozen: Layer[] = [];
  /** What the flush under way writes, newest first: older than #frozen, newer than the base. Undefined without a flush. */
  #flushing: readonly Layer[] | undefined;
  /** Over all of the above; made anew whenever the stack changes. */
  #reader: LayeredReader;
  /** How many flushes have ended. */
  #flushes = 0;
  readonly #pins = new Set<Snapshot>();
  /** Of the backend, not closed yet. */
  #views = 0;
  readonly #beforeFlush: (() => void)[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
    this.#base = this.#openView();
    this.#reader = this.#restack();
  }

  /** About how many bytes wait for the next flush. */
  get bytes(): number {
    return this.#active.bytes + bytesOf(this.#frozen);
  }

  /** About how many bytes the flush under way writes; 0 when there is none. */
  get flushingBytes(): number {
    return bytesOf(this.#flushing ?? []);
  }

  get flushing(): boolean {
    return this.#flushing !== undefined;
  }

  /** How many flushes have ended since the buffer was made. */
  get flushes(): number {
    return this.#flushes;
  }

  /** Views of the backend that are open: that of the present reads, and those that snapshots still hold. */
  get views(): number {
    return this.#views;
  }

  /** How many layers a read may have to look at. */
  get layerCount(): number {
    return this.#reader.layers.length;
  }

  /** The snapshots not released yet, oldest first. Each holds pages of the backend back: see Snapshot.age. */
  pins(): IterableIterator<Snapshot> {
    return this.#pins.values();
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.#reader.get(table, key);
  }

  lend(table: Table, key: Uint8Array, borrower: Borrower): boolean {
    return this.#reader.lend(table, key, borrower);
  }

  /** Invalid after the next put, delete or flush; to be closed all the same, before the flush ends. */
  cursor(table: Table): ScanCursor {
    return this.#reader.cursor(table);
  }

  last(table: Table, before?: Uint8Array): { key: Uint8Array; value: Uint8Array } | undefined {
    return this.#reader.last(table, before);
  }

  /** Keeps `key` and `value`: neither may change afterwards. */
  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    assert(value !== DELETED, 'the mark of deleted rows put as a value');
    if (this.#activePins > 0) this.#freezePinned();
    this.#active.set(table, key, value);
  }

  delete(table: Table, key: Uint8Array): void {
    if (this.#activePins > 0) this.#freezePinned();
    this.#active.set(table, key, DELETED);
  }

  #openView(): SharedView {
    this.#views++;
    return new SharedView(this.#backend.view(), () => {
      this.#views--;
    });
  }

  /** Fixes what is readable now for as long as the snapshot is held. Costs next to nothing unless writes follow. */
  pin(): Snapshot {
    const base = this.#base;
    const active = this.#active;
    base.retain();
    this.#activePins++;
    const snapshot = new Snapshot(
      new LayeredReader([active, ...this.#frozenStack()], base.view, base.cursors),
      () => this.#flushes,
      () => {
        this.#pins.delete(snapshot);
        if (this.#active === active) this.#activePins--;
        base.release();
      },
    );
    this.#pins.add(snapshot);
    return snapshot;
  }

  /** Registers a callback that writes rows kept elsewhere until now; called at the start of every flush. */
  onBeforeFlush(callback: () => void): void {
    this.#beforeFlush.push(callback);
  }

  /**
   * All that is pending as one batch for Backend.commit; undefined when nothing is. Later writes wait for the next flush.
   * endFlush() must follow before the next beginFlush(). Takes no time however much there is: nothing is moved or copied.
   */
  beginFlush(): Batch | undefined {
    assert(this.#flushing === undefined, 'flush begun while another is under way');
    for (const callback of this.#beforeFlush) callback();
    this.#freeze();
    if (this.#frozen.length === 0) return undefined;
    this.#flushing = this.#frozen;
    this.#frozen = [];
    return new LayersBatch(this.#flushing);
  }

  /** After the backend said that the batch is durable. */
  endFlush(): void {
    assert(this.#flushing !== undefined, 'flush ended that was not begun');
    this.#flushing = undefined;
    this.#flushes++;
    this.refreshBase();
  }

  /** Goes over to a new view of the backend; for the owner to call after a defragmentation. */
  refreshBase(): void {
    const old = this.#base;
    this.#base = this.#openView();
    this.#restack();
    old.release();
  }

  /** Gives the view up. All pins are released before, and nothing is read afterwards. */
  close(): void {
    assert(this.#pins.size === 0, 'closed while pinned', { pins: this.#pins.size });
    this.#base.release();
  }

  #freezePinned(): void {
    this.#freeze();
    this.#compactLayers();
  }

  /** Starts a new active layer, so that nobody else reads it. */
  #freeze(): void {
    if (this.#active.rows > 0) this.#frozen.unshift(this.#active);
    this.#active = new Layer();
    this.#activePins = 0;
    this.#restack();
  }

  /** Merging only layers of like size moves each row O(log n) times between two flushes, however many pins there are. */
  #compactLayers(): void {
    const frozen = this.#frozen;
    if (frozen.length <= FROZEN_LAYERS_MAX) return;
    for (let top = frozen[0], below = frozen[1]; top !== undefined && below !== undefined; below = frozen[1]) {
      if (below.rows > 2 * top.rows && frozen.length <= 2 * FROZEN_LAYERS_MAX) break;
      top = top.over(below);
      frozen.splice(0, 2, top);
    }
    this.#restack();
  }

  #frozenStack(): Layer[] {
    return [...this.#frozen, ...(this.#flushing ?? [])];
  }

  #restack(): LayeredReader {
    this.#reader = new LayeredReader([this.#active, ...this.#frozenStack()], this.#base.view, this.#base.cursors);
    return this.#reader;
  }
}

/** What was readable when it was pinned, whatever was written and flushed since. Release it, and soon. */
export class Snapshot implements ScanReader {
  readonly #reader: ScanReader;
  readonly #flushes: () => number;
  readonly #pinnedAt: number;
  readonly #onRelease: () => void;
  #released = false;
  /** Handles that share() gave out and that are not released. */
  #shares = 0;

  constructor(reader: ScanReader, flushes: () => number, onRelease: () => void) {
    this.#reader = reader;
    this.#flushes = flushes;
    this.#pinnedAt = flushes();
    this.#onRelease = onRelease;
  }

  /** How many flushes have ended since it was pinned: the backend keeps the pages that those replaced. */
  get age(): number {
    return this.#flushes() - this.#pinnedAt;
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    assert(!this.#released, 'read of a released snapshot');
    return this.#reader.get(table, key);
  }

  lend(table: Table, key: Uint8Array, borrower: Borrower): boolean {
    assert(!this.#released, 'read of a released snapshot');
    return this.#reader.lend(table, key, borrower);
  }

  cursor(table: Table): ScanCursor {
    assert(!this.#released, 'read of a released snapshot');
    return this.#reader.cursor(table);
  }

  last(table: Table, before?: Uint8Array): { key: Uint8Array; value: Uint8Array } | undefined {
    assert(!this.#released, 'read of a released snapshot');
    return this.#reader.last(table, before);
  }

  /** One more handle on the same state, to be released before this one. */
  share(): Snapshot {
    assert(!this.#released, 'share of a released snapshot');
    this.#shares++;
    return new Snapshot(this.#reader, this.#flushes, () => {
      this.#shares--;
    });
  }

  release(): void {
    assert(!this.#released, 'snapshot released twice');
    assert(this.#shares === 0, 'snapshot released before those that share it', { shares: this.#shares });
    this.#released = true;
    this.#onRelease();
  }
}

function bytesOf(layers: readonly Layer[]): number {
  return layers.reduce((sum, layer) => sum + layer.bytes, 0);
}
