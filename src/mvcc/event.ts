/** One change of one key, as watchers see it. */

/** As in mvccpb.Event. */
export const PUT = 0;
export const DELETE = 1;

/** prevMain of an event whose key did not exist before its revision. */
export const PREV_NONE = -1;
/** prevMain of an event read from history: MvccStore.prevKv looks it up. */
export const PREV_UNKNOWN = -2;

export interface MvccEvent {
  readonly type: typeof PUT | typeof DELETE;
  readonly key: Uint8Array;
  readonly main: number;
  readonly sub: number;
  /** The encoded kv of the watch event: of a put the whole KeyValue, of a delete its key and mod_revision. */
  readonly kv: Uint8Array;
  /** 0 for a delete. */
  readonly createRevision: number;
  /** The version that was live just before main revision `main`, or PREV_NONE or PREV_UNKNOWN. */
  readonly prevMain: number;
  readonly prevSub: number;
}
