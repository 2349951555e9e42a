/** Keys, values and requests that the cases have in common. The same for both servers and every round. */
import { CompareResult, CompareTarget, type RequestOpInit, type TxnRequestInit } from '../../src/gen/rpc.ts';
import { prefixEnd } from '../../src/base/bytes.ts';

const utf8 = new TextEncoder();
const KEY_DIGITS = 10;

/** A family of keys with one prefix, numbered from 0. */
export class KeySpace {
  readonly prefix: Uint8Array;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.prefix = utf8.encode(prefix);
  }

  key(number: number): Uint8Array {
    return utf8.encode(this.#prefix + String(number).padStart(KEY_DIGITS, '0'));
  }

  /** All of its keys. */
  get range(): { key: Uint8Array; rangeEnd: Uint8Array } {
    const rangeEnd = prefixEnd(this.prefix);
    if (rangeEnd === undefined) throw new Error('a prefix of 0xff only');
    return { key: this.prefix, rangeEnd };
  }
}

export const VALUE_BYTES = 256;
export const OBJECT_BYTES = 1024;

/** Printable bytes that do not repeat in a way that a compressing file system could use. */
export function valueOf(bytes: number, random: () => number): Uint8Array {
  const value = new Uint8Array(bytes);
  for (let i = 0; i < bytes; i++) value[i] = 33 + Math.floor(random() * 94);
  return value;
}

/** Numbers in [0, 1) from a seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Kubernetes' create (`modRevision` 0) and guarded update: put if nobody wrote since, else read what is there. */
export function guardedPut(key: Uint8Array, value: Uint8Array, modRevision: number): TxnRequestInit {
  return {
    compare: [{ result: CompareResult.EQUAL, target: CompareTarget.MOD, key, modRevision }],
    success: [{ requestPut: { key, value } }],
    failure: modRevision === 0 ? [] : [{ requestRange: { key } }],
  };
}

export function putsOf(entries: Iterable<readonly [Uint8Array, Uint8Array]>): TxnRequestInit {
  const success: RequestOpInit[] = [];
  for (const [key, value] of entries) success.push({ requestPut: { key, value } });
  return { success };
}
