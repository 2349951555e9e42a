import type { RangeRequest } from '../gen/rpc.ts';

/** The plain range over an interval: everything live now, in key order. */
export function rangeOf(key: Uint8Array, rangeEnd: Uint8Array): RangeRequest {
  return {
    key,
    rangeEnd,
    limit: 0,
    revision: 0,
    sortOrder: 0,
    sortTarget: 0,
    serializable: false,
    keysOnly: false,
    countOnly: false,
    minModRevision: 0,
    maxModRevision: 0,
    minCreateRevision: 0,
    maxCreateRevision: 0,
  };
}
