/** Turns a batch into one durable transaction, without holding the event loop for long. */
import { assert } from '../../base/assert.ts';
import type { Batch, Operations, Table } from '../../mvcc/backend.ts';
import type { Environment } from './environment.ts';
import { LongKeyWriter, isLongKey, nextNodeId } from './long-keys.ts';
import { WriteInstructions } from './write-instructions.ts';

/** A slice ends at whichever comes first: about a millisecond of work. */
const SLICE_ROWS_MAX = 4096;
const SLICE_BYTES_MAX = 1024 * 1024;

/** Commits batches to one environment, one at a time. */
export class Committer {
  readonly #environment: Environment;
  readonly #instructions = new WriteInstructions();
  /** Only while a batch with long keys is made ready. */
  #longKeys: LongKeyWriter | undefined;
  /** undefined: not looked up yet. */
  #nextNodeId: number | undefined;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** The batch must not change until `done`. Nothing is visible before all of it is. */
  commit(batch: Batch, done: (error: Error | undefined) => void): void {
    this.#prepareSlices(batch.operations(), (error) => {
      this.#endLongKeys();
      if (error !== undefined) {
        done(error);
        return;
      }
      this.#environment.write(this.#instructions.finish(), (error) => {
        this.#instructions.reset();
        done(error);
      });
    });
  }

  #prepareSlices(operations: Operations, ready: (error: Error | undefined) => void): void {
    let isOver: boolean;
    try {
      isOver = this.#prepareSlice(operations);
    } catch (error) {
      queueMicrotask(() => ready(error as Error));
      return;
    }
    if (isOver) ready(undefined);
    else setImmediate(() => this.#prepareSlices(operations, ready));
  }

  /** Returns whether all operations are prepared. */
  #prepareSlice(operations: Operations): boolean {
    let bytes = 0;
    for (let rows = 0; rows < SLICE_ROWS_MAX && bytes < SLICE_BYTES_MAX; rows++) {
      if (!operations.next()) return true;
      const { table, key, value } = operations;
      this.#prepare(table, key, value);
      bytes += key.length + (value?.length ?? 0);
    }
    return false;
  }

  #prepare(table: Table, key: Uint8Array, value: Uint8Array | undefined): void {
    assert(key.length > 0, 'empty key', { table });
    if (isLongKey(key)) {
      const longKeys = this.#openLongKeys();
      if (value === undefined) longKeys.delete(table, key);
      else longKeys.put(table, key, value);
      return;
    }
    const dbi = this.#environment.table(table).dbi;
    if (value === undefined) this.#instructions.delete(dbi, key);
    else this.#instructions.put(dbi, key, value);
  }

  #openLongKeys(): LongKeyWriter {
    if (this.#longKeys === undefined) {
      this.#nextNodeId ??= nextNodeId(this.#environment);
      this.#longKeys = new LongKeyWriter(this.#environment, this.#instructions, this.#nextNodeId);
    }
    return this.#longKeys;
  }

  #endLongKeys(): void {
    if (this.#longKeys === undefined) return;
    this.#nextNodeId = this.#longKeys.nextNodeId;
    this.#longKeys.close();
    this.#longKeys = undefined;
  }
}
