/** HTTP/2 frames as bytes, right ones and wrong ones. */

export const T = {
  Data: 0,
  Headers: 1,
  Priority: 2,
  RstStream: 3,
  Settings: 4,
  PushPromise: 5,
  Ping: 6,
  Goaway: 7,
  WindowUpdate: 8,
  Continuation: 9,
} as const;
export const F = { EndStream: 1, Ack: 1, EndHeaders: 4, Padded: 8, Priority: 0x20 } as const;
export const E = {
  NoError: 0,
  Protocol: 1,
  Internal: 2,
  FlowControl: 3,
  StreamClosed: 5,
  FrameSize: 6,
  RefusedStream: 7,
  Cancel: 8,
  Compression: 9,
  EnhanceYourCalm: 11,
} as const;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

export function frame(type: number, flags: number, streamId: number, payload: Uint8Array | number[] = []): Buffer {
  const bytes = Buffer.from(payload);
  const out = Buffer.alloc(9 + bytes.length);
  out.writeUIntBE(bytes.length, 0, 3);
  out[3] = type;
  out[4] = flags;
  out.writeUInt32BE(streamId, 5);
  bytes.copy(out, 9);
  return out;
}

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** A literal field that does not touch the dynamic table. */
export function field(name: string, value: string): Buffer {
  const piece = (text: string): Buffer => {
    const bytes = Buffer.from(text, 'latin1');
    return Buffer.concat([bytes.length < 127 ? Buffer.from([bytes.length]) : longLength(bytes.length), bytes]);
  };
  return Buffer.concat([Buffer.from([0]), piece(name), piece(value)]);
}

function longLength(length: number): Buffer {
  const out = [127];
  let rest = length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) out.push((rest % 128) + 128);
  return Buffer.from([...out, rest]);
}

const REQUEST_FIELDS: [string, string][] = [
  [':method', 'POST'],
  [':scheme', 'http'],
  [':path', '/t.Echo/Now'],
  ['content-type', 'application/grpc'],
  ['te', 'trailers'],
];

/** A header block for a call, with some fields replaced, added, or (undefined) left out. */
export function block(path = '/t.Echo/Now', changes: Record<string, string | undefined> = {}): Buffer {
  const fields = new Map<string, string | undefined>([...REQUEST_FIELDS, [':path', path], ...Object.entries(changes)]);
  const present = [...fields].flatMap(([name, value]) => (value === undefined ? [] : [field(name, value)]));
  return Buffer.concat(present);
}

export function headers(streamId: number, headerBlock: Uint8Array = block(), flags: number = F.EndHeaders): Buffer {
  return frame(T.Headers, flags, streamId, headerBlock);
}

export function message(text: string | Uint8Array): Buffer {
  const bytes = Buffer.from(text);
  const out = Buffer.alloc(5 + bytes.length);
  out.writeUInt32BE(bytes.length, 1);
  bytes.copy(out, 5);
  return out;
}

export function data(streamId: number, payload: Uint8Array = message('hi'), flags: number = F.EndStream): Buffer {
  return frame(T.Data, flags, streamId, payload);
}

/** Pairs of setting and value. */
export function settings(...pairs: [number, number][]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  pairs.forEach(([id, value], i) => {
    payload.writeUInt16BE(id, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  });
  return frame(T.Settings, 0, 0, payload);
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}
