/**
 * Clients mark their requests: a field that no server knows, at the end of the message. The server passes the request on as
 * it came, so the log tells which request an entry carries out.
 */

const TAG_FIELD = 900;
/** Field key for four bytes. */
const KEY = [(((TAG_FIELD << 3) | 5) & 0x7f) | 0x80, ((TAG_FIELD << 3) | 5) >>> 7] as const;
const TAG_BYTES = KEY.length + 4;

export function withTag(request: Uint8Array, tag: number): Uint8Array {
  const out = new Uint8Array(request.length + TAG_BYTES);
  out.set(request);
  out.set(KEY, request.length);
  new DataView(out.buffer).setUint32(request.length + KEY.length, tag, true);
  return out;
}

/** undefined for a request that no client marked. */
export function tagOf(request: Uint8Array): number | undefined {
  const at = request.length - TAG_BYTES;
  if (at < 0 || request[at] !== KEY[0] || request[at + 1] !== KEY[1]) return undefined;
  return new DataView(request.buffer, request.byteOffset + at + KEY.length, 4).getUint32(0, true);
}
