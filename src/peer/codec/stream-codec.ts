/** What both stream formats have in common (etcd-behaviour §9.2). */
import { MessageType, type Message } from '../../gen/raftpb.ts';
import type { FrameBuffer } from './frame-buffer.ts';

/** One message, or one append, as it is on the wire: what etcd reads at most. */
export const MESSAGE_BYTES_MAX = 512 << 20;

/** Writes one stream from its beginning: the bytes of a message may depend on those before it. */
export interface StreamEncoder {
  encode(message: Message, out: FrameBuffer): void;
  /** What shows that the link lives when there is nothing to say. */
  encodeHeartbeat(out: FrameBuffer): void;
}

/** Reads one stream from its beginning. */
export interface StreamDecoder {
  /**
   * The messages that end in this chunk, without link heartbeats. They share no memory with the chunk. Throws FrameError or
   * WireError on what no encoder writes; the stream cannot be read any further then.
   */
  decode(chunk: Uint8Array): Message[];
}

/** The stream does not follow its format, or passes a limit. */
export class FrameError extends Error {
  override readonly name = 'FrameError';
}

/** Throws FrameError when a length is beyond the limit: before anything waits for so many bytes. */
export function checkLength(what: string, length: number, max: number): number {
  if (length > max) throw new FrameError(`${what} of ${length} is over the limit of ${max}`);
  return length;
}

/** A heartbeat from nobody to nobody: how the message stream shows that the link lives. */
export function isLinkHeartbeat(message: Message): boolean {
  return message.type === MessageType.MsgHeartbeat && message.from === 0n && message.to === 0n;
}

/** Near enough for the limits of queues and for the size of buffers. */
export function messageSize(message: Message): number {
  let bytes = 96 + message.context.length;
  for (const entry of message.entries) bytes += entry.data.length + 40;
  if (message.snapshot !== undefined) bytes += message.snapshot.data.length + 256;
  return bytes;
}
