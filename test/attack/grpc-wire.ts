/** gRPC calls as frames, for attackers who do not follow the rules of a client library. */
import { F, PREFACE, T, block, data, frame, headers, message, settings, uint32 } from '../support/h2-frames.ts';

export const RANGE = '/etcdserverpb.KV/Range';
export const PUT = '/etcdserverpb.KV/Put';
export const TXN = '/etcdserverpb.KV/Txn';
export const WATCH = '/etcdserverpb.Watch/Watch';

export const GREETING = Buffer.concat([PREFACE, settings()]);

/** The client takes no byte of any answer. */
export const GREETING_WITHOUT_WINDOW = Buffer.concat([PREFACE, settings([4, 0])]);

/** As wide as it can be: only the socket holds the server back. */
export const GREETING_WITH_ALL_WINDOWS = Buffer.concat([
  PREFACE,
  settings([4, 0x7fff_ffff]),
  frame(T.WindowUpdate, 0, 0, uint32(0x7fff_0000)),
]);

/** The id of the nth stream of a connection. */
export function streamId(n: number): number {
  return 2 * n + 1;
}

export function call(n: number, path: string, request: Uint8Array): Buffer {
  const id = streamId(n);
  return Buffer.concat([headers(id, block(path)), data(id, message(request))]);
}

/** A call whose client still has something to say. */
export function openCall(n: number, path: string, ...requests: Uint8Array[]): Buffer {
  const id = streamId(n);
  return Buffer.concat([headers(id, block(path)), ...requests.flatMap((bytes) => dataFrames(id, message(bytes)))]);
}

const FRAME_BYTES = 16_384;

/** The bytes in DATA frames of the largest size that a server must take. */
export function dataFrames(id: number, bytes: Uint8Array, lastFlags = 0): Buffer[] {
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += FRAME_BYTES) {
    const isLast = at + FRAME_BYTES >= bytes.length;
    out.push(data(id, bytes.subarray(at, at + FRAME_BYTES), isLast ? lastFlags : 0));
  }
  return out;
}

export function reset(n: number): Buffer {
  return frame(T.RstStream, 0, streamId(n), uint32(8));
}

/** `count` pieces made by `make`, numbered on from `step` rounds of the same size. */
export function batch(step: number, count: number, make: (n: number) => Uint8Array): Buffer {
  return Buffer.concat(Array.from({ length: count }, (_, i) => make(step * count + i)));
}

export { F };
