import type { KeyValue } from './api-messages.ts';
import { encode, messageType } from './proto-codec.ts';

/**
 * A slow, obvious model of etcd's history of changes: every revision ever written, and HashKV computed from that list alone.
 * Keys are latin1 strings, one character per byte, so that string order is byte order.
 */

export type Change =
  { readonly put: string; readonly value: Uint8Array; readonly lease?: bigint } | { readonly delete: string };

interface Record_ {
  readonly main: number;
  readonly sub: number;
  readonly key: string;
  /** Undefined for a deletion. */
  readonly kv: KeyValue | undefined;
}

const KEY_VALUE = messageType('mvccpb.KeyValue');

export interface Hash {
  readonly hash: number;
  readonly compactRevision: number;
}

/** How many hashes of compactions etcd remembers. */
const STORED_HASHES = 10;

export class HistoryModel {
  /** The revision of the last change; 1 in an empty store. */
  revision = 1;
  /** As in etcd -1 until the first compaction. */
  compactRevision = -1;
  /** What is physically there, oldest first. */
  #records: Record_[] = [];
  readonly #live = new Map<string, KeyValue>();
  readonly #stored = new Map<number, Hash>();

  get(key: string): KeyValue | undefined {
    return this.#live.get(key);
  }

  keys(): string[] {
    return [...this.#live.keys()].toSorted();
  }

  /** Applies the changes as one revision, in order. A deletion of an absent key changes nothing. */
  apply(changes: readonly Change[]): number {
    const main = this.revision + 1;
    let sub = 0;
    for (const change of changes) {
      if ('put' in change) this.#put(change.put, change.value, change.lease ?? 0n, main, sub++);
      else if (this.#live.delete(change.delete))
        this.#records.push({ main, sub: sub++, key: change.delete, kv: undefined });
    }
    if (sub > 0) this.revision = main;
    return this.revision;
  }

  /**
   * A finished compaction. On the way etcd computes the hash of what it walks through, as seen from the compaction before, and
   * HashKV at exactly this revision answers that from then on.
   */
  compact(revision: number): void {
    const newest = this.#newestAt(revision);
    const kept = new Set([...newest].filter((record) => record.kv !== undefined || record.main === revision));
    this.#stored.set(revision, this.#hash(revision, kept));
    const oldest = [...this.#stored.keys()].toSorted((a, b) => a - b);
    for (const stored of oldest.slice(0, -STORED_HASHES)) this.#stored.delete(stored);
    this.#records = this.#records.filter((record) => record.main > revision || kept.has(record));
    this.compactRevision = revision;
  }

  /** A restart forgets the hashes of compactions. */
  restart(): void {
    this.#stored.clear();
  }

  /** What HashKV answers for `revision`; 0 means the current one. */
  hashKv(revision = 0): Hash {
    const stored = this.#stored.get(revision);
    if (stored) return stored;
    const at = revision === 0 ? this.revision : revision;
    return this.#hash(at, new Set([...this.#newestAt(at)].filter((record) => record.kv !== undefined)));
  }

  #put(key: string, value: Uint8Array, lease: bigint, main: number, sub: number): void {
    const old = this.#live.get(key);
    const kv: KeyValue = {
      key: new Uint8Array(Buffer.from(key, 'latin1')),
      create_revision: old?.create_revision ?? BigInt(main),
      mod_revision: BigInt(main),
      version: (old?.version ?? 0n) + 1n,
      value,
      lease,
    };
    this.#live.set(key, kv);
    this.#records.push({ main, sub, key, kv });
  }

  /** For each key its last record at or below `revision`. */
  #newestAt(revision: number): Iterable<Record_> {
    const newest = new Map<string, Record_>();
    for (const record of this.#records) if (record.main <= revision) newest.set(record.key, record);
    return newest.values();
  }

  #hash(at: number, kept: ReadonlySet<Record_>): Hash {
    let crc = crc32c(0, Buffer.from('key'));
    for (const record of this.#records) {
      if (record.main > at) break;
      if (record.main <= this.compactRevision && kept.size > 0 && !kept.has(record)) continue;
      if (record.kv === undefined && record.main === this.compactRevision) continue;
      crc = crc32c(crc, revisionKey(record));
      crc = crc32c(crc, encodedValue(record));
    }
    return { hash: crc, compactRevision: this.compactRevision };
  }
}

function revisionKey(record: Record_): Buffer {
  const bytes = Buffer.alloc(record.kv ? 17 : 18);
  bytes.writeBigUInt64BE(BigInt(record.main), 0);
  bytes.write('_', 8, 'latin1');
  bytes.writeBigUInt64BE(BigInt(record.sub), 9);
  if (!record.kv) bytes.write('t', 17, 'latin1');
  return bytes;
}

/** The stored protobuf bytes: proto3 leaves out what is zero, and a tombstone holds only its key. */
function encodedValue(record: Record_): Buffer {
  if (!record.kv) return encode(KEY_VALUE, { key: new Uint8Array(Buffer.from(record.key, 'latin1')) });
  const present = Object.entries(record.kv).filter(([, value]) =>
    value instanceof Uint8Array ? value.length > 0 : value !== 0n,
  );
  return encode(KEY_VALUE, Object.fromEntries<unknown>(present));
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f6_3b78 : crc >>> 1;
  return crc;
});

/** CRC-32C of the bytes that gave `crc` followed by `bytes`; begin with 0. */
function crc32c(crc: number, bytes: Uint8Array): number {
  let state = ~crc;
  for (const byte of bytes) state = (CRC_TABLE[(state ^ byte) & 0xff] ?? 0) ^ (state >>> 8);
  return ~state >>> 0;
}
