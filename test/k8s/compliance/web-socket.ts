/** The little of RFC 6455 that exec needs, for both ends: whole messages below 64 kB, no fragments. */
import { createHash } from 'node:crypto';
import type { Duplex } from 'node:stream';

export const EXEC_PROTOCOL = 'v4.channel.k8s.io';
/** First byte of each exec message. */
export const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3 } as const;

const BINARY = 0x82;
const CLOSE = 0x88;
const MASKED = 0x80;

export function acceptOf(key: string): string {
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
}

/** Calls `onMessage` for each message, `onEnd` once. */
export function readMessages(
  socket: Duplex,
  head: Buffer,
  onMessage: (bytes: Buffer) => void,
  onEnd: () => void,
): void {
  let pending = head;
  let ended = false;
  const end = (): void => {
    if (!ended) onEnd();
    ended = true;
  };
  const take = (): void => {
    for (let frame = nextFrame(pending); frame !== undefined; frame = nextFrame(pending)) {
      pending = pending.subarray(frame.lengthBytes);
      if (frame.opcode === (CLOSE & 0x0f)) end();
      else if (frame.opcode === 1 || frame.opcode === 2) onMessage(frame.payload);
    }
  };
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    take();
  });
  socket.once('close', end);
  socket.once('end', end);
  socket.on('error', end);
  take();
}

/** From a server: unmasked. */
export function messageFrame(payload: Uint8Array): Buffer {
  const header =
    payload.length < 126
      ? Buffer.of(BINARY, payload.length)
      : Buffer.of(BINARY, 126, payload.length >> 8, payload.length & 0xff);
  return Buffer.concat([header, payload]);
}

export function closeFrame(): Buffer {
  return Buffer.of(CLOSE, 2, 0x03, 0xe8);
}

function nextFrame(bytes: Buffer): { opcode: number; payload: Buffer; lengthBytes: number } | undefined {
  if (bytes.length < 2) return undefined;
  const opcode = (bytes[0] ?? 0) & 0x0f;
  const isMasked = ((bytes[1] ?? 0) & MASKED) !== 0;
  let length = (bytes[1] ?? 0) & 0x7f;
  let headerBytes = 2;
  if (length === 126) {
    if (bytes.length < 4) return undefined;
    length = bytes.readUInt16BE(2);
    headerBytes = 4;
  } else if (length === 127) throw new Error('a message of more than 64 kB');
  const mask = isMasked ? bytes.subarray(headerBytes, headerBytes + 4) : undefined;
  if (isMasked) headerBytes += 4;
  if (bytes.length < headerBytes + length) return undefined;
  const payload = Buffer.from(bytes.subarray(headerBytes, headerBytes + length));
  if (mask !== undefined) for (let i = 0; i < length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return { opcode, payload, lengthBytes: headerBytes + length };
}
