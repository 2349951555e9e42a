import type { Bytes, Event, KeyValue, RangeResponse } from './api-messages.ts';

/** Bytes as text, for keys and values that tests chose as text. */
export function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}

export function bytes(value: Bytes): Uint8Array {
  return typeof value === 'string' ? new Uint8Array(Buffer.from(value, 'utf8')) : value;
}

/** The range_end that etcd's clients use for "every key with this prefix". */
export function prefixEnd(prefix: Bytes): Uint8Array {
  const end = Uint8Array.from(bytes(prefix));
  for (let i = end.length - 1; i >= 0; i--) {
    const byte = end[i] ?? 0;
    if (byte === 0xff) continue;
    end[i] = byte + 1;
    return end.subarray(0, i + 1);
  }
  return Uint8Array.of(0);
}

/** key and range_end of a prefix, to be spread into a request. */
export function under(prefix: Bytes): { key: Uint8Array; range_end: Uint8Array } {
  return { key: bytes(prefix), range_end: prefixEnd(prefix) };
}

/** range_end meaning "no upper bound". */
export const OPEN_END = Uint8Array.of(0);

export function keysOf(response: Pick<RangeResponse, 'kvs'>): string[] {
  return response.kvs.map((kv) => text(kv.key));
}

/** A KeyValue with its bytes as text, for readable comparisons. */
export function plainKv(kv: KeyValue): Record<string, string | bigint> {
  return { ...kv, key: text(kv.key), value: text(kv.value) };
}

/** `PUT k=v@rev` or `DELETE k@rev`. */
export function plainEvent(event: Event): string {
  const { key, value, mod_revision: rev } = event.kv;
  return event.type === 'PUT' ? `PUT ${text(key)}=${text(value)}@${rev}` : `DELETE ${text(key)}@${rev}`;
}
