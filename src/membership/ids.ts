/** Member and cluster ids as etcd derives them. */
import { concatBytes } from '../base/bytes.ts';
import { utf8Encode } from '../base/utf8.ts';

/** 20 bytes of SHA-1 over the input. */
export type Sha1 = (bytes: Uint8Array) => Uint8Array;

/**
 * The id of a member: the first 8 bytes, big endian, of the SHA-1 of its sorted peer URLs, the cluster token (bootstrap) and
 * the time it was added, in Unix seconds (added at runtime).
 */
export function memberId(sha1: Sha1, peerURLs: readonly string[], token: string, addedAtSeconds?: number): bigint {
  const time = addedAtSeconds === undefined ? '' : String(addedAtSeconds);
  return firstUint64(sha1(utf8Encode([...peerURLs].sort().join('') + token + time)));
}

/** The id of a cluster: likewise over the 8-byte ids of its first members, ascending. */
export function clusterId(sha1: Sha1, memberIds: readonly bigint[]): bigint {
  const sorted = [...memberIds].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return firstUint64(sha1(concatBytes(...sorted.map(uint64Bytes))));
}

/** 8 bytes, big endian. */
export function uint64Bytes(value: bigint): Uint8Array {
  const out = new Uint8Array(8);
  new DataView(out.buffer).setBigUint64(0, value);
  return out;
}

function firstUint64(bytes: Uint8Array): bigint {
  return new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0);
}
