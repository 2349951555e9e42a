import { sharedWriter } from '../base/wire.ts';
import { encodeWatchResponse, writeResponseHeader } from '../gen/rpc.ts';
import type { ResponseHeader } from '../gen/rpc.ts';
import type { HeaderSource } from './ports.ts';

/** The watch_id of responses that are about no watcher: a failed create, an answer to a progress request. */
export const NO_WATCH_ID = -1n;

const HEADER_TAG = (1 << 3) | 2;
/** Field 7 `fragment`, true. */
const FRAGMENT_FIELD = new Uint8Array([(7 << 3) | 0, 1]);
const NOTHING = new Uint8Array(0);

/** Encodes WatchResponses. */
export class ResponseEncoder {
  readonly #source: HeaderSource;
  /** The last header field made, and of what. */
  #header: { readonly of: ResponseHeader; readonly field: Uint8Array } | undefined;

  constructor(source: HeaderSource) {
    this.#source = source;
  }

  created(id: bigint, revision: number): Uint8Array {
    return encodeWatchResponse({ header: this.#headerOf(revision), watchId: id, created: true });
  }

  /** A watch that never came to be. */
  refused(reason: string, revision: number): Uint8Array {
    const header = this.#headerOf(revision);
    return encodeWatchResponse({ header, watchId: NO_WATCH_ID, created: true, canceled: true, cancelReason: reason });
  }

  canceled(id: bigint, revision: number): Uint8Array {
    return encodeWatchResponse({ header: this.#headerOf(revision), watchId: id, canceled: true });
  }

  /** The watcher's next event is compacted away. The header's revision is 0, as in etcd. */
  compacted(id: bigint, compactRevision: number): Uint8Array {
    return encodeWatchResponse({ header: this.#headerOf(0), watchId: id, canceled: true, compactRevision });
  }

  progress(id: bigint, revision: number): Uint8Array {
    return encodeWatchResponse({ header: this.#headerOf(revision), watchId: id });
  }

  /** The field `header`: tag, length and message. */
  headerField(revision: number): Uint8Array {
    const { clusterId, memberId, raftTerm } = this.#source;
    const last = this.#header?.of;
    if (
      this.#header === undefined ||
      last?.revision !== revision ||
      last.raftTerm !== raftTerm ||
      last.memberId !== memberId ||
      last.clusterId !== clusterId
    ) {
      const of = this.#headerOf(revision);
      const writer = sharedWriter();
      const mark = writer.begin(HEADER_TAG);
      writeResponseHeader(of, writer);
      writer.end(mark);
      this.#header = { of, field: writer.finish() };
    }
    return this.#header.field;
  }

  #headerOf(revision: number): ResponseHeader {
    const { clusterId, memberId, raftTerm } = this.#source;
    return { clusterId, memberId, revision, raftTerm };
  }
}

/** Bytes of a response with these parts, marked as a fragment. */
export function fragmentLength(headerField: Uint8Array, idField: Uint8Array, eventBytes: number): number {
  return headerField.length + idField.length + FRAGMENT_FIELD.length + eventBytes;
}

/** Puts a response together from encoded fields: `eventFields` from `from` up to but without `to`, `eventBytes` in all. */
export function encodeEvents(
  headerField: Uint8Array,
  idField: Uint8Array,
  fragment: boolean,
  eventFields: readonly Uint8Array[],
  from: number,
  to: number,
  eventBytes: number,
): Uint8Array {
  const fragmentField = fragment ? FRAGMENT_FIELD : NOTHING;
  const out = new Uint8Array(headerField.length + idField.length + fragmentField.length + eventBytes);
  out.set(headerField, 0);
  let at = headerField.length;
  for (let i = 0; i < idField.length; i++) out[at++] = idField[i] as number;
  for (let i = 0; i < fragmentField.length; i++) out[at++] = fragmentField[i] as number;
  for (let i = from; i < to; i++) {
    const field = eventFields[i] as Uint8Array;
    out.set(field, at);
    at += field.length;
  }
  return out;
}
