/** Range: the keys of an interval at a revision, filtered, sorted and cut as a RangeRequest says. Etcd behaviour 2.3. */
import { assert, must, unreachable } from '../base/assert.ts';
import { EMPTY, compareBytes, successor } from '../base/bytes.ts';
import { etcdError } from '../base/etcd-error.ts';
import type { Job } from '../ports/job.ts';
import type { Borrower, Reader } from './backend.ts';
import { type KeyVersion, decodePointer } from './key-index.ts';
import { encodeKeyValue, valueOf } from './key-value.ts';
import { DEAD, END, type LiveScan, liveScan, scanEnd } from './live-scan.ts';
import type { ScanReader } from './overlay.ts';
import { encodeRevision, revisionMain } from './revision.ts';
import { SlicedSort } from './sliced-sort.ts';
import type { Snapshot } from './write-buffer.ts';

/** The fields of etcdserverpb.RangeRequest that the store looks at; 0 and empty are "not set". */
export interface RangeQuery {
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
  readonly limit: number;
  readonly revision: number;
  /** 0 none, 1 ascend, 2 descend. */
  readonly sortOrder: number;
  /** 0 key, 1 version, 2 create revision, 3 mod revision, 4 value. */
  readonly sortTarget: number;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
  readonly minModRevision: number;
  readonly maxModRevision: number;
  readonly minCreateRevision: number;
  readonly maxCreateRevision: number;
}

export interface RangeResult {
  /** Encoded KeyValues. */
  readonly kvs: Uint8Array[];
  /** Live keys in the interval, whatever limit and filters leave of them. */
  readonly count: number;
  readonly more: boolean;
  /** The store's current revision when the range was read: what the answer's header says. */
  readonly revision: number;
}

/** What a range reads from: the store, or a write transaction. */
export interface RangeSource {
  /** What is readable now; valid within the current step only. */
  readonly reader: ScanReader;
  readonly currentRev: number;
  readonly compactRev: number;
  pin(): Snapshot;
  /** The live keys of [start, end) at a revision; undefined when they have to be walked. */
  countLive(start: Uint8Array, end: Uint8Array | undefined, revision: number): number | undefined;
}

const ASCEND = 1;
const DESCEND = 2;
const TARGET_KEY = 0;
const TARGET_VERSION = 1;
const TARGET_CREATE = 2;
const TARGET_MOD = 3;
const TARGET_VALUE = 4;

/** The revision to read at. Throws Compacted or FutureRev. */
export function readRevision(source: RangeSource, revision: number): number {
  if (revision > source.currentRev) throw etcdError('FutureRev');
  const at = revision <= 0 ? source.currentRev : revision;
  if (at < source.compactRev) throw etcdError('Compacted');
  return at;
}

/** The bytes of a version that the key index knows of. */
export function fetchKeyValue(reader: Reader, version: KeyVersion): Uint8Array {
  const kv = reader.get('rev', encodeRevision(version.main, version.sub));
  assert(kv !== undefined, 'indexed version has no row', { main: version.main, sub: version.sub });
  return kv;
}

function lendKeyValue(reader: Reader, version: KeyVersion, borrower: Borrower): void {
  const found = reader.lend('rev', encodeRevision(version.main, version.sub), borrower);
  assert(found, 'indexed version has no row', { main: version.main, sub: version.sub });
}

/** Range within the call. */
export function rangeNow(source: RangeSource, query: RangeQuery): RangeResult {
  if (query.rangeEnd.length === 0 && !hasFilters(query)) {
    const at = readRevision(source, query.revision);
    if (at === source.currentRev) return rangeOneKey(source, query);
  }
  const job = new RangeJob(source, query);
  const done = job.step(Number.MAX_SAFE_INTEGER);
  assert(done, 'a range without a limit of work did not finish');
  job.close();
  return job.result();
}

function rangeOneKey(source: RangeSource, query: RangeQuery): RangeResult {
  const { reader, currentRev: revision } = source;
  const row = reader.get('cur', query.key);
  if (row === undefined) return { kvs: [], count: 0, more: false, revision };
  if (query.countOnly) return { kvs: [], count: 1, more: false, revision };
  const version = decodePointer(row);
  const kv = query.keysOnly ? withoutValue(query.key, version) : fetchKeyValue(reader, version);
  return { kvs: [kv], count: 1, more: false, revision };
}

interface Selected {
  readonly key: Uint8Array;
  readonly version: KeyVersion;
  /** The encoded KeyValue, when sorting needed it. */
  kv: Uint8Array | undefined;
}

/** Keys found before their values are fetched: each change between the two costs a look-up of the scan's place. */
const BURST_KEYS = 64;

export interface RangeOptions {
  /** Without, `count` is only what was walked until the limit was reached. Default: true. */
  readonly countRest?: boolean;
  /**
   * Gets the KeyValues of a range in key order, one by one, in place of the result; values are then never objects of their
   * own. Ranges in another order put them into the result all the same.
   */
  readonly borrower?: Borrower | undefined;
}

/**
 * Range in slices. What it reads is fixed by its first step: when that does not finish it, the job pins the state, so that
 * later steps see no later write.
 */
export class RangeJob implements Job<RangeResult> {
  readonly #source: RangeSource;
  readonly #query: RangeQuery;
  readonly #order: Order;
  #reader: ScanReader | undefined;
  #snapshot: Snapshot | undefined;
  #started = false;
  /** While the phase is scan. */
  #scan: LiveScan | undefined;
  #sort: SlicedSort<Selected> | undefined;
  #phase: 'scan' | 'load' | 'sort' | 'fetch' | 'done' = 'scan';
  /** Keys chosen, to be sorted or fetched. */
  #selected: Selected[] = [];
  /** How many of #selected the current phase is done with. */
  #at = 0;
  #revision = 0;
  #readRevision = 0;
  #count = 0;
  /** The count of the whole range, where it was asked for when the state was pinned. */
  #fullCount: number | undefined;
  readonly #countRest: boolean;
  /** The answer has the order of the scan: what is found is fetched as the scan goes, and not kept. */
  readonly #isPlain: boolean;
  /** Plain, and nothing has to be known of a key but where its KeyValue is: those go through #burstRows. */
  readonly #isBare: boolean;
  readonly #borrower: Borrower | undefined;
  /** Found by a plain scan, and not fetched yet. */
  readonly #burstRows: Uint8Array[] = [];
  readonly #burst: { readonly key: Uint8Array; readonly version: KeyVersion }[] = [];
  /** How many keys have passed. */
  #chosen = 0;
  #more = false;
  readonly #kvs: Uint8Array[] = [];

  constructor(source: RangeSource, query: RangeQuery, options: RangeOptions = {}) {
    this.#source = source;
    this.#query = query;
    this.#order = orderOf(query);
    this.#countRest = options.countRest ?? true;
    this.#isPlain = this.#order.compare === undefined && !this.#order.reverse;
    this.#isBare = this.#isPlain && !query.keysOnly && !hasFilters(query);
    this.#borrower = options.borrower;
  }

  step(units: number): boolean {
    this.#reader = this.#snapshot ?? this.#source.reader;
    if (!this.#started) this.#start(this.#reader);
    let left = units;
    while (left > 0 && this.#phase !== 'done') left -= this.#work(left);
    if (this.#phase === 'done') return true;
    if (this.#snapshot === undefined) this.#pin();
    return false;
  }

  result(): RangeResult {
    assert(this.#phase === 'done', 'result of an unfinished range');
    return { kvs: this.#kvs, count: this.#count, more: this.#more, revision: this.#revision };
  }

  close(): void {
    this.#scan?.close();
    this.#scan = undefined;
    this.#snapshot?.release();
    this.#snapshot = undefined;
  }

  #start(reader: ScanReader): void {
    this.#started = true;
    const { key, rangeEnd, revision } = this.#query;
    this.#readRevision = readRevision(this.#source, revision);
    this.#revision = this.#source.currentRev;
    if (this.#query.countOnly) {
      const count = this.#source.countLive(key, scanEnd(key, rangeEnd), this.#readRevision);
      if (count !== undefined) {
        this.#count = count;
        this.#phase = 'done';
        return;
      }
    }
    this.#scan = liveScan(reader, key, scanEnd(key, rangeEnd), this.#readRevision, this.#revision);
  }

  #pin(): void {
    this.#snapshot = this.#source.pin();
    if (this.#scan === undefined) return;
    // The source counts its present state only: later, when the limit is reached, is too late to ask.
    if (this.#order.selectMax !== Infinity) this.#fullCount = this.#countWith(this.#scan);
    this.#scan.moveTo(this.#snapshot);
  }

  /** The count of the whole range, with what `scan` has walked of it; undefined when the rest has to be walked too. */
  #countWith(scan: LiveScan): number | undefined {
    const { key, rangeEnd } = this.#query;
    const rest = this.#source.countLive(successor(scan.key), scanEnd(key, rangeEnd), this.#readRevision);
    return rest === undefined ? undefined : this.#count + rest;
  }

  /** Does up to `units` of the current phase and returns how many it did, at least 1. */
  #work(units: number): number {
    switch (this.#phase) {
      case 'scan':
        return this.#scanSome(units);
      case 'load':
        return this.#loadSome(units);
      case 'sort':
        return this.#sortSome(units);
      case 'fetch':
        return this.#fetchSome(units);
      default:
        return unreachable('work on a finished range');
    }
  }

  #scanSome(units: number): number {
    const scan = must(this.#scan, 'scan');
    const { countOnly } = this.#query;
    const { selectMax } = this.#order;
    for (let done = 1; done <= units; done++) {
      const step = scan.advance();
      if (step === END) {
        this.#endScan();
        return done;
      }
      if (step === DEAD) continue;
      this.#count++;
      if (countOnly || this.#chosen >= selectMax) continue;
      if (this.#isBare) {
        this.#chooseRow(scan.revisionKey());
      } else {
        const version = scan.version();
        if (passes(this.#query, version)) this.#choose(scan.key, version);
      }
      if (this.#chosen < selectMax) continue;
      if (this.#countRest) {
        if (this.#snapshot === undefined) this.#fullCount = this.#countWith(scan);
        if (this.#fullCount === undefined) continue;
        this.#count = this.#fullCount;
      }
      this.#endScan();
      return done;
    }
    return units;
  }

  #choose(key: Uint8Array, version: KeyVersion): void {
    this.#chosen++;
    if (!this.#isPlain) {
      this.#selected.push({ key, version, kv: undefined });
      return;
    }
    if (this.#isBeyondLimit()) return;
    this.#burst.push({ key, version });
    if (this.#burst.length === BURST_KEYS) this.#fetchBurst();
  }

  #chooseRow(revisionKey: Uint8Array): void {
    this.#chosen++;
    if (this.#isBeyondLimit()) return;
    this.#burstRows.push(revisionKey);
    if (this.#burstRows.length === BURST_KEYS) this.#fetchBurst();
  }

  #isBeyondLimit(): boolean {
    const { limit } = this.#query;
    if (limit <= 0 || this.#chosen <= limit) return false;
    this.#more = true;
    return true;
  }

  #fetchBurst(): void {
    const reader = must(this.#reader, 'reader');
    for (const row of this.#burstRows) this.#fetchRow(reader, row);
    this.#burstRows.length = 0;
    for (const { key, version } of this.#burst) {
      if (this.#query.keysOnly) this.#give(withoutValue(key, version));
      else if (this.#borrower === undefined) this.#kvs.push(fetchKeyValue(reader, version));
      else lendKeyValue(reader, version, this.#borrower);
    }
    this.#burst.length = 0;
  }

  #fetchRow(reader: ScanReader, row: Uint8Array): void {
    if (this.#borrower === undefined) {
      const kv = reader.get('rev', row);
      if (kv !== undefined) this.#kvs.push(kv);
      else unreachable('indexed version has no row', revisionMain(row));
    } else if (!reader.lend('rev', row, this.#borrower)) {
      unreachable('indexed version has no row', revisionMain(row));
    }
  }

  #give(kv: Uint8Array): void {
    if (this.#borrower === undefined) this.#kvs.push(kv);
    else this.#borrower.take(kv, 0, kv.length);
  }

  #endScan(): void {
    this.#scan?.close();
    this.#scan = undefined;
    if (this.#isPlain) {
      this.#fetchBurst();
      this.#phase = 'done';
      return;
    }
    const { compare, reverse, byValue } = this.#order;
    if (reverse) this.#selected.reverse();
    if (compare === undefined) this.#cut();
    else this.#phase = byValue ? 'load' : 'sort';
  }

  #loadSome(units: number): number {
    const end = Math.min(this.#at + units, this.#selected.length);
    for (const selected of this.#selected.slice(this.#at, end)) {
      selected.kv = fetchKeyValue(must(this.#reader, 'reader'), selected.version);
    }
    const done = end - this.#at;
    this.#at = end;
    if (end === this.#selected.length) this.#phase = 'sort';
    return Math.max(done, 1);
  }

  #sortSome(units: number): number {
    this.#sort ??= new SlicedSort(this.#selected, must(this.#order.compare, 'comparison'));
    const done = this.#sort.work(units);
    if (this.#sort.done) {
      this.#selected = this.#sort.result();
      this.#cut();
    }
    return Math.max(done, 1);
  }

  #cut(): void {
    const { limit } = this.#query;
    if (limit > 0 && this.#selected.length > limit) {
      this.#selected.length = limit;
      this.#more = true;
    }
    this.#at = 0;
    this.#phase = this.#selected.length === 0 ? 'done' : 'fetch';
  }

  #fetchSome(units: number): number {
    const reader = must(this.#reader, 'reader');
    const end = Math.min(this.#at + units, this.#selected.length);
    const done = end - this.#at;
    for (; this.#at < end; this.#at++) {
      const { key, version, kv } = this.#selected[this.#at] as Selected;
      this.#kvs.push(this.#query.keysOnly ? withoutValue(key, version) : (kv ?? fetchKeyValue(reader, version)));
    }
    if (end === this.#selected.length) this.#phase = 'done';
    return done;
  }
}

/** How the selected keys are put in order, and how many are selected at all. */
interface Order {
  /** undefined: they stay as they came, or reversed. */
  readonly compare: ((a: Selected, b: Selected) => number) | undefined;
  readonly reverse: boolean;
  readonly byValue: boolean;
  /** Keys beyond these are only counted: one more than the limit tells that there is more. */
  readonly selectMax: number;
}

function orderOf(query: RangeQuery): Order {
  const { sortOrder, sortTarget, limit } = query;
  const selectMax = limit > 0 ? limit + 1 : Infinity;
  if (sortTarget === TARGET_KEY) {
    if (sortOrder !== DESCEND) return { compare: undefined, reverse: false, byValue: false, selectMax };
    return { compare: undefined, reverse: true, byValue: false, selectMax: Infinity };
  }
  // Without an order the target still sorts, ascending, but only the keys that the limit let through.
  const limitFirst = sortOrder !== ASCEND && sortOrder !== DESCEND && !hasFilters(query);
  const ascending = comparisonOf(sortTarget);
  return {
    compare: sortOrder === DESCEND ? (a, b) => ascending(b, a) : ascending,
    reverse: false,
    byValue: sortTarget === TARGET_VALUE,
    selectMax: limitFirst ? selectMax : Infinity,
  };
}

function comparisonOf(sortTarget: number): (a: Selected, b: Selected) => number {
  switch (sortTarget) {
    case TARGET_VERSION:
      return (a, b) => a.version.version - b.version.version;
    case TARGET_CREATE:
      return (a, b) => a.version.createRevision - b.version.createRevision;
    case TARGET_MOD:
      return (a, b) => a.version.main - b.version.main;
    case TARGET_VALUE:
      return (a, b) => compareBytes(valueOf(a.kv ?? EMPTY), valueOf(b.kv ?? EMPTY));
    default:
      throw etcdError('InvalidSortOption');
  }
}

function hasFilters(query: RangeQuery): boolean {
  return (
    query.minModRevision !== 0 ||
    query.maxModRevision !== 0 ||
    query.minCreateRevision !== 0 ||
    query.maxCreateRevision !== 0
  );
}

function passes(query: RangeQuery, { main, createRevision }: KeyVersion): boolean {
  const { minModRevision, maxModRevision, minCreateRevision, maxCreateRevision } = query;
  return (
    (minModRevision === 0 || main >= minModRevision) &&
    (maxModRevision === 0 || main <= maxModRevision) &&
    (minCreateRevision === 0 || createRevision >= minCreateRevision) &&
    (maxCreateRevision === 0 || createRevision <= maxCreateRevision)
  );
}

function withoutValue(key: Uint8Array, version: KeyVersion): Uint8Array {
  return encodeKeyValue(key, version.createRevision, version.main, version.version, EMPTY, version.lease);
}
