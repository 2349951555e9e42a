/** The rows that crash-child.ts writes, as it and its test agree on. */
import type { Backend } from '../../../src/mvcc/backend.ts';

export const INDEX_KEY: Uint8Array = Buffer.from('index');
/** Rows of the newest so many batches are there. */
export const KEPT = 20;

export function batchRows(n: number): number {
  return n % 17 === 0 ? 3000 : n % 40;
}

/** Every seventh is long. */
export function batchRowKey(n: number, i: number): Uint8Array {
  const key = `${String((i * 7919) % 10_007).padStart(5, '0')}/${n}`;
  return Buffer.from(i % 7 === 3 ? `${'x'.repeat(1500)}${key}` : key);
}

/** The number of the newest batch, 0 if there is none. */
export function readIndex(backend: Backend): number {
  const view = backend.view();
  const index = view.get('meta', INDEX_KEY);
  view.close();
  return index === undefined ? 0 : Number(Buffer.from(index).toString());
}
