/** The message stream (etcd-behaviour §9.2): each message is its length in eight bytes, big endian, and its protobuf bytes. */
import { sharedWriter } from '../../base/wire.ts';
import { MessageType, decodeMessage, writeMessage, type Message, type MessageInit } from '../../gen/raftpb.ts';
import { ChunkBuffer } from './chunk-buffer.ts';
import type { FrameBuffer } from './frame-buffer.ts';
import {
  MESSAGE_BYTES_MAX,
  checkLength,
  isLinkHeartbeat,
  type StreamDecoder,
  type StreamEncoder,
} from './stream-codec.ts';

const LINK_HEARTBEAT: MessageInit = { type: MessageType.MsgHeartbeat };

/** Length and message. */
export function putMessage(message: MessageInit, out: FrameBuffer): void {
  const writer = sharedWriter();
  writeMessage(message, writer);
  out.sized(writer.view());
}

export class MessageEncoder implements StreamEncoder {
  encode(message: Message, out: FrameBuffer): void {
    putMessage(message, out);
  }

  encodeHeartbeat(out: FrameBuffer): void {
    putMessage(LINK_HEARTBEAT, out);
  }
}

export class MessageDecoder implements StreamDecoder {
  readonly #input = new ChunkBuffer();
  readonly #bytesMax: number;
  /** Length of the message that is being read; undefined between messages. */
  #awaited: number | undefined;

  constructor(bytesMax = MESSAGE_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  decode(chunk: Uint8Array): Message[] {
    this.#input.push(chunk);
    const out: Message[] = [];
    for (;;) {
      if (this.#awaited === undefined) {
        const length = this.#input.uint64();
        if (length === undefined) return out;
        this.#awaited = checkLength('message', length, this.#bytesMax);
      }
      const bytes = this.#input.bytes(this.#awaited);
      if (bytes === undefined) return out;
      this.#awaited = undefined;
      const message = decodeMessage(bytes);
      if (!isLinkHeartbeat(message)) out.push(message);
    }
  }
}
