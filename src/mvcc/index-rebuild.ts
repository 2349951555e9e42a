/**
 * Makes the tables that etcd does not have (cur, hist, leaseKeys, blocks) from table `rev`: for a database that was taken
 * over from etcd.
 */
import { assert } from '../base/assert.ts';
import { EMPTY, copyBytes, successor } from '../base/bytes.ts';
import type { Job } from '../ports/job.ts';
import type { Borrower, Reader } from './backend.ts';
import { CountIndex } from './count-index.ts';
import {
  type KeyVersion,
  decodePointer,
  encodeHist,
  encodeHistTombstone,
  encodePointer,
  histKey,
} from './key-index.ts';
import { decodeKeyValue } from './key-value.ts';
import { leaseKeyRow } from './lease-keys.ts';
import { revisionIsTombstone, revisionMain, revisionSub } from './revision.ts';
import type { WriteBuffer } from './write-buffer.ts';

const FIRST_KEY = new Uint8Array([0]);

interface VersionRow {
  readonly key: Uint8Array;
  readonly version: KeyVersion & { readonly isTombstone: boolean };
}

/** `kv` is only looked at. */
function versionOf(revKey: Uint8Array, kv: Uint8Array): VersionRow {
  const { key, createRevision, version, lease } = decodeKeyValue(kv);
  const isTombstone = revisionIsTombstone(revKey);
  const [main, sub] = [revisionMain(revKey), revisionSub(revKey)];
  return { key: copyBytes(key), version: { main, sub, createRevision, version, lease, isTombstone } };
}

/** Whether there are versions without an index. */
export function indexesAreMissing(reader: Reader): boolean {
  return reader.last('rev') !== undefined && reader.last('hist') === undefined;
}

/** Runs before the store is opened, over a buffer that its owner flushes as it fills. Its result: the rows of `rev`. */
export class IndexRebuildJob implements Job<number> {
  readonly #buffer: WriteBuffer;
  #phase: 'versions' | 'leases' | 'done' = 'versions';
  /** Rows of the phase's table before this are done. */
  #position: Uint8Array = FIRST_KEY;
  #rows = 0;

  constructor(buffer: WriteBuffer) {
    this.#buffer = buffer;
  }

  step(units: number): boolean {
    if (this.#phase === 'versions') this.#indexVersions(units);
    else if (this.#phase === 'leases') this.#indexLeases(units);
    return this.#phase === 'done';
  }

  result(): number {
    assert(this.#phase === 'done', 'result of an unfinished rebuild');
    return this.#rows;
  }

  close(): void {
    this.#phase = 'done';
  }

  /** Later versions of a key overwrite the pointer of earlier ones. */
  #indexVersions(units: number): void {
    const rows = this.#readVersions(units);
    for (const { key, version } of rows) {
      const { main, sub } = version;
      if (version.isTombstone) {
        this.#buffer.delete('cur', key);
        this.#buffer.put('hist', histKey(key, main, sub), encodeHistTombstone());
      } else {
        // Only a restore that raises the revision (etcdutl's --bump-revision) writes a version of no key: it counts for hashes.
        if (key.length > 0) this.#buffer.put('cur', key, encodePointer(version));
        this.#buffer.put('hist', histKey(key, main, sub), encodeHist(version));
      }
    }
    this.#rows += rows.length;
    if (rows.length === units) return;
    this.#phase = 'leases';
    this.#position = FIRST_KEY;
  }

  /** The next `units` versions; fewer at the end. Values, which may be large, are not copied. */
  #readVersions(units: number): VersionRow[] {
    const rows: VersionRow[] = [];
    const cursor = this.#buffer.cursor('rev');
    let revKey = EMPTY;
    const borrower: Borrower = {
      take: (bytes, start, end) => void rows.push(versionOf(revKey, bytes.subarray(start, end))),
    };
    for (let found = cursor.seek(this.#position); found && rows.length < units; found = cursor.next()) {
      revKey = cursor.key;
      cursor.lendValue(borrower);
    }
    cursor.close();
    if (revKey.length > 0) this.#position = successor(revKey);
    return rows;
  }

  #indexLeases(units: number): void {
    const rows = this.#readLive(units);
    for (const { key, value } of rows) {
      const { lease } = decodePointer(value);
      if (lease !== 0n) this.#buffer.put('leaseKeys', leaseKeyRow(lease, key), EMPTY);
    }
    if (rows.length === units) return;
    new CountIndex(this.#buffer, 0).save(this.#buffer);
    this.#phase = 'done';
  }

  /** The next `units` live keys; fewer at their end. */
  #readLive(units: number): { key: Uint8Array; value: Uint8Array }[] {
    const rows: { key: Uint8Array; value: Uint8Array }[] = [];
    const cursor = this.#buffer.cursor('cur');
    let found = cursor.seek(this.#position);
    for (; found && rows.length < units; found = cursor.next()) rows.push({ key: cursor.key, value: cursor.value });
    cursor.close();
    const last = rows.at(-1);
    if (last !== undefined) this.#position = successor(last.key);
    return rows;
  }
}
