/**
 * The msgapp stream, version 2 (etcd-behaviour §9.2). Appends that go on where the one before ended leave out what the
 * reader can work out itself: only entries and commit index are written.
 *
 *     0                                                            the link lives
 *     1  count  { size, entry } * count  commit                    an append that goes on
 *     2  size, message                                             any message
 *
 * All numbers but the type byte have eight bytes, big endian. Writer and reader both keep the term and the last index of the
 * stream; a whole message (2) sets both, entries (1) move the index on.
 */
import { EMPTY } from '../../base/bytes.ts';
import { sharedWriter } from '../../base/wire.ts';
import { MessageType, decodeEntry, decodeMessage, writeEntry, type Entry, type Message } from '../../gen/raftpb.ts';
import { ChunkBuffer } from './chunk-buffer.ts';
import type { FrameBuffer } from './frame-buffer.ts';
import { putMessage } from './message-codec.ts';
import {
  FrameError,
  MESSAGE_BYTES_MAX,
  checkLength,
  isLinkHeartbeat,
  type StreamDecoder,
  type StreamEncoder,
} from './stream-codec.ts';

const FrameType = { Heartbeat: 0, Entries: 1, Message: 2 } as const;

/** A member packs up to 1 MiB of entries into an append, and none is smaller than six bytes. */
export const ENTRIES_PER_FRAME_MAX = 1 << 20;

/** What writer and reader know of the stream so far. */
class Tracked {
  term = 0;
  index = 0;

  /** Whether the reader can rebuild this append from its entries and commit index. */
  isContinuedBy(message: Message): boolean {
    return message.term === this.term && message.logTerm === this.term && message.index === this.index;
  }

  reset(message: Message): void {
    this.term = message.term;
    this.index = message.entries.at(-1)?.index ?? message.index;
  }
}

/** Only MsgApp may be given to it. */
export class MsgAppEncoder implements StreamEncoder {
  readonly #tracked = new Tracked();

  encode(message: Message, out: FrameBuffer): void {
    if (this.#tracked.isContinuedBy(message)) this.#putEntries(message, out);
    else this.#putWhole(message, out);
  }

  encodeHeartbeat(out: FrameBuffer): void {
    out.byte(FrameType.Heartbeat);
  }

  #putEntries(message: Message, out: FrameBuffer): void {
    out.byte(FrameType.Entries);
    out.uint64(message.entries.length);
    for (const entry of message.entries) {
      const writer = sharedWriter();
      writeEntry(entry, writer);
      out.sized(writer.view());
    }
    out.uint64(message.commit);
    this.#tracked.index += message.entries.length;
  }

  #putWhole(message: Message, out: FrameBuffer): void {
    out.byte(FrameType.Message);
    putMessage(message, out);
    this.#tracked.reset(message);
  }
}

/** An append whose entries are being read. */
interface Append {
  readonly count: number;
  readonly entries: Entry[];
  /** Of the entries so far, with their size fields. */
  bytes: number;
}

export class MsgAppDecoder implements StreamDecoder {
  readonly #from: bigint;
  readonly #to: bigint;
  readonly #bytesMax: number;
  readonly #input = new ChunkBuffer();
  readonly #tracked = new Tracked();
  #state: 'type' | 'count' | 'entry' | 'commit' | 'message' = 'type';
  /** Size of the entry or message being read; undefined while that is not known. */
  #size: number | undefined;
  #append: Append = { count: 0, entries: [], bytes: 0 };

  /** The stream does not say who writes (`from`) and who reads (`to`). */
  constructor(from: bigint, to: bigint, bytesMax = MESSAGE_BYTES_MAX) {
    this.#from = from;
    this.#to = to;
    this.#bytesMax = bytesMax;
  }

  decode(chunk: Uint8Array): Message[] {
    this.#input.push(chunk);
    const out: Message[] = [];
    while (this.#step(out));
    return out;
  }

  /** Reads the next part; false if it is not there yet. */
  #step(out: Message[]): boolean {
    switch (this.#state) {
      case 'type':
        return this.#readType();
      case 'count':
        return this.#readCount();
      case 'entry':
        return this.#readEntry();
      case 'commit':
        return this.#readCommit(out);
      case 'message':
        return this.#readMessage(out);
    }
  }

  #readType(): boolean {
    const type = this.#input.byte();
    if (type === undefined) return false;
    if (type === FrameType.Entries) this.#state = 'count';
    else if (type === FrameType.Message) this.#state = 'message';
    else if (type !== FrameType.Heartbeat) throw new FrameError(`frame of unknown type ${type}`);
    return true;
  }

  #readCount(): boolean {
    const count = this.#input.uint64();
    if (count === undefined) return false;
    checkLength('count of entries', count, ENTRIES_PER_FRAME_MAX);
    this.#append = { count, entries: [], bytes: 0 };
    this.#state = count === 0 ? 'commit' : 'entry';
    return true;
  }

  #readEntry(): boolean {
    const append = this.#append;
    const bytes = this.#readSized('append', this.#bytesMax - append.bytes - 8);
    if (bytes === undefined) return false;
    append.bytes += 8 + bytes.length;
    append.entries.push(decodeEntry(bytes));
    if (append.entries.length === append.count) this.#state = 'commit';
    return true;
  }

  #readCommit(out: Message[]): boolean {
    const commit = this.#input.uint64();
    if (commit === undefined) return false;
    const { term, index } = this.#tracked;
    const { entries } = this.#append;
    out.push({
      type: MessageType.MsgApp,
      to: this.#to,
      from: this.#from,
      term,
      logTerm: term,
      index,
      entries,
      commit,
      snapshot: undefined,
      reject: false,
      rejectHint: 0,
      context: EMPTY,
      vote: 0n,
      responses: [],
    });
    this.#tracked.index = index + entries.length;
    this.#append = { count: 0, entries: [], bytes: 0 };
    this.#state = 'type';
    return true;
  }

  #readMessage(out: Message[]): boolean {
    const bytes = this.#readSized('message', this.#bytesMax);
    if (bytes === undefined) return false;
    const message = decodeMessage(bytes);
    this.#tracked.reset(message);
    if (!isLinkHeartbeat(message)) out.push(message);
    this.#state = 'type';
    return true;
  }

  #readSized(what: string, bytesMax: number): Uint8Array | undefined {
    if (this.#size === undefined) {
      const size = this.#input.uint64();
      if (size === undefined) return undefined;
      this.#size = checkLength(what, size, bytesMax);
    }
    const bytes = this.#input.bytes(this.#size);
    if (bytes !== undefined) this.#size = undefined;
    return bytes;
  }
}
