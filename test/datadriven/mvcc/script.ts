/**
 * The store that transcripts act on. Keys and values are written as they are, other bytes as \xNN.
 *
 *   put KEY VALUE [lease=N]     del KEY [END]            each its own transaction, or part of an open one
 *   begin, end                  a transaction of several changes; end shows the events with what watchers get as prev_kv
 *   range KEY [END] [rev= limit= order=ascend|descend target=key|version|create|mod|value keys-only count-only
 *                    min-mod= max-mod= min-create= max-create=]
 *   compact REV, scrub [units=N]     accepts a compaction; deletes its rows, all or a step of N units
 *   hash [REV]                  HashKV; in steps of one unit
 *   history FROM [rows=N]       what a watcher catches up on
 *   lease-keys ID               rows TABLE               status
 *   start NAME range ...        step NAME UNITS          a range in slices
 *   flush, reopen
 */
import { must } from '../../../src/base/assert.ts';
import { fromBinaryString, getUint32BE, toBinaryString } from '../../../src/base/bytes.ts';
import { EtcdError } from '../../../src/base/etcd-error.ts';
import { TABLES } from '../../../src/mvcc/backend.ts';
import type { MvccEvent } from '../../../src/mvcc/event.ts';
import {
  decodeHist,
  decodePointer,
  getLeaseId,
  histIsTombstone,
  histMain,
  histSub,
  histUserKey,
  type KeyVersion,
} from '../../../src/mvcc/key-index.ts';
import { decodeKeyValue } from '../../../src/mvcc/key-value.ts';
import type { RangeQuery, RangeResult } from '../../../src/mvcc/range.ts';
import { revisionIsTombstone, revisionMain, revisionSub } from '../../../src/mvcc/revision.ts';
import { MvccStore } from '../../../src/mvcc/store.ts';
import { WriteBuffer } from '../../../src/mvcc/write-buffer.ts';
import type { WriteTxn } from '../../../src/mvcc/write-txn.ts';
import type { Job } from '../../../src/ports/job.ts';
import { MemoryBackend } from '../../../src/storage/memory-backend.ts';

interface Command {
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

const ORDERS = ['none', 'ascend', 'descend'];
const TARGETS = ['key', 'version', 'create', 'mod', 'value'];

export class Script {
  readonly #backend = new MemoryBackend({ later: (run) => run() });
  #buffer = new WriteBuffer(this.#backend);
  #store = new MvccStore(this.#buffer);
  #txn: WriteTxn | undefined;
  #compaction: Job<number> | undefined;
  readonly #jobs = new Map<string, Job<RangeResult>>();

  /** Runs one line and returns what it printed. */
  run(line: string): string {
    const options = new Map<string, string>();
    const words: string[] = [];
    for (const word of line.trim().split(/\s+/)) {
      const at = word.indexOf('=');
      if (at > 0) options.set(word.slice(0, at), word.slice(at + 1));
      else words.push(word);
    }
    try {
      return this.#run(words[0] ?? '', { words: words.slice(1), options });
    } catch (error) {
      if (error instanceof EtcdError) return `error ${error.message}`;
      throw error;
    }
  }

  #run(name: string, command: Command): string {
    switch (name) {
      case 'put':
        return this.#inTxn((txn) => {
          const lease = BigInt(command.options.get('lease') ?? '0');
          txn.put(bytesOf(command.words[0]), bytesOf(command.words[1]), lease);
          return `ok rev=${txn.revision}`;
        });
      case 'del':
        return this.#inTxn((txn) => {
          const deleted = txn.deleteRange(bytesOf(command.words[0]), bytesOf(command.words[1]));
          return `deleted ${deleted} rev=${txn.revision}`;
        });
      case 'begin':
        this.#txn = this.#store.begin();
        return 'ok';
      case 'end':
        return this.#end();
      case 'range':
        return rangeText((this.#txn ?? this.#store).range(queryOf(command)));
      case 'start':
        this.#jobs.set(
          must(command.words[0], 'name'),
          this.#store.rangeJob(queryOf({ ...command, words: command.words.slice(2) })),
        );
        return 'ok';
      case 'step':
        return this.#step(must(command.words[0], 'name'), Number(command.words[1]));
      default:
        return this.#maintain(name, command);
    }
  }

  #maintain(name: string, { words, options }: Command): string {
    switch (name) {
      case 'compact':
        this.#store.compact(Number(words[0]));
        return 'ok';
      case 'scrub':
        return this.#scrub(options.get('units'));
      case 'hash':
        return this.#hash(Number(words[0] ?? 0));
      case 'history':
        return this.#history(Number(words[0]), Number(options.get('rows') ?? 1000));
      case 'lease-keys':
        return (
          this.#store
            .keysOf(BigInt(words[0] ?? '0'))
            .map(text)
            .join(' ') || 'none'
        );
      case 'rows':
        return this.#rows(words[0] ?? '');
      case 'status': {
        const { currentRev, compactRev, finishedCompactRev, keyCount } = this.#store;
        return `rev=${currentRev} compacted=${compactRev} finished=${finishedCompactRev} keys=${keyCount}`;
      }
      case 'flush':
        this.#flush();
        return 'ok';
      case 'reopen':
        this.#flush();
        this.#compaction?.close();
        this.#compaction = undefined;
        this.#buffer.close();
        this.#buffer = new WriteBuffer(this.#backend);
        this.#store = new MvccStore(this.#buffer);
        return 'ok';
      default:
        return `unknown command ${name}`;
    }
  }

  #inTxn(work: (txn: WriteTxn) => string): string {
    if (this.#txn !== undefined) return work(this.#txn);
    const txn = this.#store.begin();
    try {
      return work(txn);
    } finally {
      txn.end();
    }
  }

  #end(): string {
    const events = must(this.#txn, 'open transaction').end();
    this.#txn = undefined;
    return events.length === 0 ? 'no events' : events.map((event) => this.#eventText(event)).join('\n');
  }

  #step(name: string, units: number): string {
    const job = must(this.#jobs.get(name), name);
    if (!job.step(units)) return 'not finished';
    const result = rangeText(job.result());
    job.close();
    this.#jobs.delete(name);
    return result;
  }

  #scrub(units: string | undefined): string {
    this.#compaction ??= this.#store.compactionJob();
    if (this.#compaction === undefined) return 'nothing to do';
    while (!this.#compaction.step(Number(units ?? 1000))) if (units !== undefined) return 'not finished';
    const revision = this.#compaction.result();
    this.#compaction.close();
    this.#compaction = undefined;
    return `finished ${revision}`;
  }

  #hash(asked: number): string {
    const job = this.#store.hashKvJob(asked);
    try {
      while (!job.step(1));
      const { hash, hashRevision, compactRevision, revision } = job.result();
      return `hash=${hash} at=${hashRevision} compacted=${compactRevision} rev=${revision}`;
    } finally {
      job.close();
    }
  }

  #history(from: number, rows: number): string {
    const { revisions, nextRevision } = this.#store.history(from, rows);
    const lines = revisions.flatMap(({ events }) => events.map((event) => this.#eventText(event)));
    return [...lines, `next=${nextRevision}`].join('\n');
  }

  #eventText(event: MvccEvent): string {
    const previous = this.#store.prevKv(event);
    const what = `${event.main}/${event.sub} ${event.type === 0 ? 'PUT' : 'DELETE'} ${kvText(event.kv)}`;
    return previous === undefined ? what : `${what} before: ${kvText(previous)}`;
  }

  #rows(name: string): string {
    const table = must(
      TABLES.find((known) => known === name),
      `table ${name}`,
    );
    const lines: string[] = [];
    const cursor = this.#buffer.cursor(table);
    for (let found = cursor.seek(new Uint8Array(1)); found; found = cursor.next()) {
      lines.push(rowText(table, cursor.key, cursor.value));
    }
    return lines.length === 0 ? 'none' : lines.join('\n');
  }

  #flush(): void {
    const batch = this.#buffer.beginFlush();
    if (batch !== undefined) this.#backend.commit(batch, () => this.#buffer.endFlush());
  }
}

function bytesOf(word: string | undefined): Uint8Array {
  const unescaped = (word ?? '').replaceAll(/\\x([0-9a-f]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  return fromBinaryString(unescaped);
}

function text(bytes: Uint8Array): string {
  return toBinaryString(bytes).replaceAll(/[^\x21-\x7e]/g, (char) => {
    return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

function queryOf({ words, options }: Command): RangeQuery {
  const number = (name: string): number => Number(options.get(name) ?? 0);
  const flags = new Set(words.filter((word) => word.endsWith('-only')));
  const [key, rangeEnd] = words.filter((word) => !flags.has(word));
  return {
    key: bytesOf(key),
    rangeEnd: bytesOf(rangeEnd),
    limit: number('limit'),
    revision: number('rev'),
    sortOrder: ORDERS.indexOf(options.get('order') ?? 'none'),
    sortTarget: TARGETS.indexOf(options.get('target') ?? 'key'),
    keysOnly: flags.has('keys-only'),
    countOnly: flags.has('count-only'),
    minModRevision: number('min-mod'),
    maxModRevision: number('max-mod'),
    minCreateRevision: number('min-create'),
    maxCreateRevision: number('max-create'),
  };
}

function rangeText({ kvs, count, more, revision }: RangeResult): string {
  return [...kvs.map(kvText), `count=${count}${more ? ' more' : ''} rev=${revision}`].join('\n');
}

function kvText(kv: Uint8Array): string {
  const { key, createRevision, modRevision, version, value, lease } = decodeKeyValue(kv);
  const parts = [text(key)];
  if (value.length > 0) parts.push(`"${text(value)}"`);
  if (createRevision > 0) parts.push(`create=${createRevision}`);
  if (modRevision > 0) parts.push(`mod=${modRevision}`);
  if (version > 0) parts.push(`version=${version}`);
  if (lease !== 0n) parts.push(`lease=${lease}`);
  return parts.join(' ');
}

function rowText(table: (typeof TABLES)[number], key: Uint8Array, value: Uint8Array): string {
  switch (table) {
    case 'rev':
      return `${revisionMain(key)}/${revisionSub(key)}${revisionIsTombstone(key) ? 't' : ''} -> ${kvText(value)}`;
    case 'cur':
      return `${text(key)} -> ${versionText(decodePointer(value))}`;
    case 'hist': {
      const version = histIsTombstone(value) ? 'tombstone' : versionText(decodeHist(key, value));
      return `${text(histUserKey(key))} ${histMain(key)}/${histSub(key)} -> ${version}`;
    }
    case 'leaseKeys':
      return `${getLeaseId(key, 0)} ${text(key.subarray(8))}`;
    case 'blocks':
      return `${text(key)} -> ${getUint32BE(value, 0)}`;
    case 'meta':
      return `${text(key)} -> ${revisionMain(value)}`;
    default:
      return `${text(key)} -> ${text(value)}`;
  }
}

function versionText({ main, sub, createRevision, version, lease }: KeyVersion): string {
  const leaseText = lease === 0n ? '' : ` lease=${lease}`;
  return `${main}/${sub} create=${createRevision} version=${version}${leaseText}`;
}
