/**
 * The native layer of the lmdb package, typed: what its own JavaScript layer is built on. That layer cannot make one
 * transaction of what is prepared over several turns of the event loop, and costs two to four times as much per seek and
 * row (docs/adr/0002-lmdb-native-layer.md). This is the only file that knows the calling convention:
 *
 * - A key is passed, and comes back, in one buffer shared by all calls of a thread; a value comes back in another. Both
 *   are overwritten by the next read, of whatever table and transaction.
 * - Objects are passed by the address of their native half, as a number.
 *
 * Sizes are bytes. A negative result is an LMDB error code, or a negated errno.
 */
import { Slab } from '../../base/slab.ts';
import type { Borrower } from '../../mvcc/backend.ts';
import { getSystemErrorName } from 'node:util';
import { nativeAddon } from 'lmdb';

declare module 'lmdb' {
  /** Exported by the package, but not declared by it. */
  export const nativeAddon: unknown;
}

export interface NativeEnv {
  readonly address: number;
  open(options: NativeEnvOptions, flags: number, jsFlags: number): void;
  close(): void;
  beginTxn(flags: number): void;
  /** Syncs. False: there was nothing to commit. */
  commitTxn(): boolean;
  abortTxn(): void;
  /**
   * Runs write instructions (see write-instructions.ts) as one transaction on a thread of libuv's pool. `done` is called
   * on this thread, with 0 once the transaction is durable, else with an error code; then nothing of it was applied.
   */
  startWriting(instructions: number, done: (status: number) => void): void;
  /** Writes a copy to `path`, which must not exist, on a thread of libuv's pool. It is not synced. */
  copy(path: string, compact: boolean, done: (error?: Error) => void): void;
  /** Of the table that names the others. */
  stat(): NativeStat;
  /** Of the table of free pages. */
  freeStat(): NativeStat;
  info(): { lastPageNumber: number; lastTxnId: number; mapSize: number };
}

export interface NativeEnvOptions {
  path: string;
  keyBytes: Uint8Array;
  maxDbs: number;
  maxReaders: number;
  mapSize: number;
  permissionsMode: number;
}

export interface NativeStat {
  pageSize: number;
  entryCount: number;
  treeBranchPageCount: number;
  treeLeafPageCount: number;
  overflowPages: number;
}

/** A named database. */
export interface NativeDbi {
  readonly address: number;
  readonly dbi: number;
  stat(): NativeStat;
  /** Deletes it, in the write transaction of its environment. */
  drop(): void;
}

/** A read transaction. */
export interface NativeTxn {
  readonly address: number;
  /** After resetTxn: sees the newest commit. */
  renew(): void;
  abort(): void;
}

export interface NativeCursor {
  readonly address: number;
  /** Before its transaction ends. */
  close(): void;
}

interface NativeAddon {
  Env: new () => NativeEnv;
  Dbi: new (env: NativeEnv, flags: number, name: string, keyType: number) => NativeDbi;
  Txn: new (env: NativeEnv, flags: number) => NativeTxn;
  Cursor: new (dbi: NativeDbi, txn: number) => NativeCursor;
  globalBuffer: Uint8Array;
  setGlobalBuffer(buffer: Uint8Array): void;
  getAddress(buffer: ArrayBuffer): number;
  /** Ends the snapshot but keeps the reader slot. */
  resetTxn(txn: number): void;
  getByBinary(dbi: number, keyBytes: number, ifNotTxnId: number, txn: number): number;
  position(cursor: number, flags: number, offset: number, keyBytes: number, endKey: number): number;
  iterate(cursor: number): number;
  getCurrentValue(cursor: number): number;
  /** Throws an Error that describes the code. */
  lmdbError(code: number): void;
}

export const native = nativeAddon as NativeAddon;

/** For Env.open. MDB_NOTLS is always set by the package. */
export const ENV_NO_SUBDIR = 0x4000;
export const ENV_NO_SYNC = 0x10000;
/** For Dbi. */
export const DBI_CREATE = 0x40000;
export const KEY_TYPE_BINARY = 3;
/** For Txn. */
export const TXN_READ_ONLY = 0x20000;
/** For Env.beginTxn. */
export const TXN_SYNCHRONOUS_COMMIT = 2;
/** For position: iterate then goes the same way. */
const WITH_VALUES = 0x100;
export const FORWARD = WITH_VALUES;
/** From the last row with key < the given one, down. */
export const BACKWARD = WITH_VALUES | 0x400 | 0x10000;

const NOT_FOUND = -30798;

/** LMDB's longest key, plus what the package keeps in front of a key that it returns. */
const KEY_BUFFER_BYTES = 4096;
const KEY_AT = 32;

/** Where keys are passed; not inside a pooled buffer, since its address is handed over once. */
export const keyBuffer = new Uint8Array(new ArrayBuffer(KEY_BUFFER_BYTES));
const keyWords = new Uint32Array(keyBuffer.buffer);
let valueBuffer = plainView(native.globalBuffer);

/** Counts the reads: a reader whose number is not the newest has lost what it left in the shared buffers. */
let readSerial = 0;

export function currentRead(): number {
  return readSerial;
}

/** The value's length, or undefined when there is no such row. Then takeValue. */
export function nativeGet(dbi: number, txn: number, key: Uint8Array): number | undefined {
  readSerial++;
  keyBuffer.set(key);
  const size = native.getByBinary(dbi, key.length, 0, txn);
  if (size === NOT_FOUND) return undefined;
  if (size < 0) throw nativeError(size);
  if (size > valueBuffer.length) {
    growValueBuffer(size);
    return nativeGet(dbi, txn, key);
  }
  return size;
}

/** The key's length, or 0 when there is no row there. Then takeKey, valueBytes, takeValue. */
export function nativePosition(cursor: number, direction: number, key: Uint8Array): number {
  readSerial++;
  keyBuffer.set(key);
  return positioned(cursor, native.position(cursor, direction, 0, key.length, 0));
}

export function nativeIterate(cursor: number): number {
  readSerial++;
  return positioned(cursor, native.iterate(cursor));
}

/** Brings the row that the cursor is on into the shared buffers again. */
export function nativeReread(cursor: number): number {
  readSerial++;
  return positioned(cursor, native.getCurrentValue(cursor));
}

function positioned(cursor: number, size: number): number {
  if (size < 0) {
    if (size === NOT_FOUND) return 0;
    throw nativeError(size);
  }
  if (size > 0 && valueBytes() > valueBuffer.length) {
    growValueBuffer(valueBytes());
    return nativeReread(cursor);
  }
  return size;
}

/** Of the row that a cursor was just moved to. */
export function valueBytes(): number {
  return keyWords[0] as number;
}

export function takeKey(length: number): Uint8Array {
  return takeBytes(keyBuffer, KEY_AT, length);
}

export function takeValue(length: number): Uint8Array {
  return takeBytes(valueBuffer, 0, length);
}

/** Of the value that was just read, in place of takeValue. */
export function lendValue(length: number, borrower: Borrower): void {
  borrower.take(valueBuffer, 0, length);
}

/** Byte at `at` of the key that a cursor was just moved to. */
export function keyByte(at: number): number {
  return keyBuffer[KEY_AT + at] as number;
}

/**
 * V8 keeps arrays up to HEAP_BYTES_MAX in its own heap, which is fast; a larger one has an allocation of its own, which is
 * slow. So those in between are cut from slabs. A piece keeps its whole slab alive: who keeps one for long copies it.
 */
const HEAP_BYTES_MAX = 64;
const PIECES = new Slab(64 * 1024, 16 * 1024);

function takeBytes(from: Uint8Array, at: number, length: number): Uint8Array {
  if (length <= HEAP_BYTES_MAX) return from.slice(at, at + length);
  return PIECES.copyOf(from.subarray(at, at + length));
}

function growValueBuffer(bytes: number): void {
  const grown = Buffer.allocUnsafeSlow(bytes + (bytes >> 1));
  native.setGlobalBuffer(grown);
  valueBuffer = plainView(grown);
}

/** Slices of a Buffer are Buffers; slices of this are not. */
function plainView(buffer: Uint8Array): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
}

/** An error of LMDB or of the system below it. `code` is as in POSIX (ENOSPC, EIO...) or LMDB's name (MDB_CORRUPTED...). */
export class LmdbError extends Error {
  override readonly name = 'LmdbError';
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** `status`: as returned by the functions above, or given to the callback of startWriting. */
export function nativeError(status: number): LmdbError {
  const errno = Math.abs(status) < 4096 ? Math.abs(status) : 0;
  try {
    native.lmdbError(errno > 0 ? errno : status);
  } catch (error) {
    return describeNativeError(error, errno > 0 ? getSystemErrorName(-errno) : undefined);
  }
  return new LmdbError('EIO', `status ${status}`);
}

export function describeNativeError(error: unknown, code?: string): LmdbError {
  const message = error instanceof Error ? error.message : String(error);
  const name = code ?? /MDB_[A-Z_]+/.exec(message)?.[0] ?? errnoOf(error);
  return new LmdbError(name, message);
}

function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown }).code;
  if (typeof code === 'string') return code;
  return typeof code === 'number' && code > 0 ? getSystemErrorName(-code) : 'EIO';
}
