/** One version of a key, and how the simulator writes it down: as a text that can be compared. */
import { toBinaryString } from '../../../src/base/bytes.ts';
import { decodeKeyValue } from '../../../src/gen/mvccpb.ts';

export interface Version {
  readonly key: string;
  readonly main: number;
  readonly sub: number;
  readonly isTombstone: boolean;
  readonly createRevision: number;
  readonly version: number;
  readonly value: string;
  readonly lease: bigint;
}

export function versionText({ key, value, createRevision, main, version, lease }: Version, keysOnly = false): string {
  return kvText(key, keysOnly ? '' : value, createRevision, main, version, lease);
}

/** Of an encoded KeyValue. */
export function encodedText(bytes: Uint8Array): string {
  const { key, value, createRevision, modRevision, version, lease } = decodeKeyValue(bytes);
  return kvText(toBinaryString(key), toBinaryString(value), createRevision, modRevision, version, lease);
}

function kvText(key: string, value: string, create: number, mod: number, version: number, lease: bigint): string {
  const shown = value.length > 24 ? `${value.slice(0, 12)}+${value.length - 12}` : value;
  return `${key}=${shown}@${mod}/c${create}/v${version}${lease === 0n ? '' : `/l${lease}`}`;
}

/** Whether a key is in the range of a request: from `key`, to `end` as etcd has it. */
export function inRange(sought: string, key: string, end: string): boolean {
  if (end === '') return sought === key;
  return sought >= key && (end === '\0' || sought < end);
}
