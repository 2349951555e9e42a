import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EMPTY } from '../../../src/base/bytes.ts';
import { MessageType, encodeMessage, type Message } from '../../../src/gen/raftpb.ts';
import { ChunkBuffer } from '../../../src/peer/codec/chunk-buffer.ts';
import { FrameBuffer } from '../../../src/peer/codec/frame-buffer.ts';
import { MessageDecoder, MessageEncoder } from '../../../src/peer/codec/message-codec.ts';
import { ENTRIES_PER_FRAME_MAX, MsgAppDecoder, MsgAppEncoder } from '../../../src/peer/codec/msgapp-codec.ts';
import {
  FrameError,
  MESSAGE_BYTES_MAX,
  type StreamDecoder,
  type StreamEncoder,
} from '../../../src/peer/codec/stream-codec.ts';
import { newMessage } from '../../../src/raft/messages.ts';
import { append, heartbeat } from './support/node.ts';

const FROM = 0xan;
const TO = 0xbn;

function encoded(encoder: StreamEncoder, messages: readonly Message[]): Buffer {
  const out = new FrameBuffer(0);
  for (const message of messages) encoder.encode(message, out);
  return Buffer.from(out.finish());
}

/** `bytes` cut at the given places. */
function cut(bytes: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const length of lengths) {
    if (at >= bytes.length) break;
    chunks.push(bytes.slice(at, at + length));
    at += length;
  }
  return [...chunks, bytes.slice(at)];
}

function decodeAll(decoder: StreamDecoder, chunks: readonly Uint8Array[]): Message[] {
  const messages = chunks.flatMap((chunk) => decoder.decode(chunk));
  // What was decoded must not share memory with the chunks it came in.
  for (const chunk of chunks) chunk.fill(0xee);
  return messages;
}

const bytes = fc.uint8Array({ maxLength: 40 });
const number = fc.oneof(fc.nat(300), fc.nat({ max: 2 ** 40 }));
const id = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n });
const entry = fc.record({ type: fc.constantFrom(0, 1, 2), term: number, index: number, data: bytes });
const anyMessage: fc.Arbitrary<Message> = fc.record({
  type: fc.constantFrom(...Object.values(MessageType)),
  to: id,
  from: id,
  term: number,
  logTerm: number,
  index: number,
  entries: fc.array(entry, { maxLength: 4 }),
  commit: number,
  snapshot: fc.constant(undefined),
  reject: fc.boolean(),
  rejectHint: number,
  context: bytes,
  vote: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  responses: fc.constant([]),
});

/** Appends as a leader sends them: mostly going on, at times stepping back, in a new term, or of an older term. */
const appends: fc.Arbitrary<Message[]> = fc
  .array(
    fc.record({
      move: fc.constantFrom<'on' | 'back' | 'term' | 'old'>('on', 'on', 'on', 'back', 'term', 'old'),
      datas: fc.array(bytes, { maxLength: 3 }),
      commit: number,
    }),
    { maxLength: 30 },
  )
  .map((steps) => {
    let [term, index] = [1, 0];
    return steps.map(({ move, datas, commit }) => {
      if (move === 'back') index = Math.max(0, index - 2);
      if (move === 'term') term++;
      const logTerm = move === 'old' && term > 1 ? term - 1 : term;
      const entries = datas.map((data, i) => ({ type: 0, term, index: index + 1 + i, data }));
      const message = { ...newMessage(MessageType.MsgApp, TO), from: FROM, term, logTerm, index, entries, commit };
      index += entries.length;
      return message;
    });
  });

const cuts = fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 200 });

describe('chunk buffer', () => {
  test('gives the bytes that were pushed, in whatever pieces', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 700 })), fc.array(fc.nat(1500)), (chunks, sizes) => {
        const buffer = new ChunkBuffer();
        for (const chunk of chunks) buffer.push(chunk);
        const all = Buffer.concat(chunks);
        let at = 0;
        for (const size of sizes) {
          const got = buffer.bytes(size);
          if (at + size > all.length) expect(got).toBeUndefined();
          else {
            expect(Buffer.from(got ?? [])).toEqual(all.subarray(at, at + size));
            at += size;
          }
        }
        expect(buffer.length).toBe(all.length - at);
        expect(Buffer.concat(buffer.drain())).toEqual(all.subarray(at));
        expect(buffer.length).toBe(0);
      }),
    );
  });

  test('reads a number only when all of it is there', () => {
    const buffer = new ChunkBuffer();
    buffer.push(Uint8Array.of(0, 0, 0, 1, 0));
    expect(buffer.uint64()).toBeUndefined();
    buffer.push(Uint8Array.of(0, 0, 2, 9));
    expect(buffer.uint64()).toBe(2 ** 32 + 2);
    expect(buffer.byte()).toBe(9);
    expect(buffer.byte()).toBeUndefined();
  });

  test('does not keep an object for each of many tiny chunks', () => {
    const buffer = new ChunkBuffer();
    for (let i = 0; i < 50_000; i++) buffer.push(Uint8Array.of(i & 0xff));
    expect(buffer.drain().length).toBeLessThan(50);
  });
});

describe('message stream', () => {
  test('a message has its length in front', () => {
    const message = heartbeat(FROM, TO, 7);
    const body = encodeMessage(message);
    const out = encoded(new MessageEncoder(), [message]);
    expect(out.readBigUInt64BE(0)).toBe(BigInt(body.length));
    expect(out.subarray(8)).toEqual(Buffer.from(body));
  });

  test('any messages in any pieces come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 8 }), cuts, (messages, lengths) => {
        const chunks = cut(encoded(new MessageEncoder(), messages), lengths);
        expect(decodeAll(new MessageDecoder(), chunks)).toEqual(messages);
      }),
    );
  });

  test('link heartbeats are left out', () => {
    const out = new FrameBuffer(0);
    const encoder = new MessageEncoder();
    encoder.encodeHeartbeat(out);
    encoder.encode(heartbeat(FROM, TO, 1), out);
    encoder.encodeHeartbeat(out);
    expect(new MessageDecoder().decode(out.finish())).toEqual([heartbeat(FROM, TO, 1)]);
  });

  test.for([[MESSAGE_BYTES_MAX + 1], [2 ** 32 + 1], [Number.MAX_SAFE_INTEGER]])(
    'a length of %d is refused',
    ([length]) => {
      const out = new FrameBuffer(0);
      out.uint64(length as number);
      expect(() => new MessageDecoder().decode(out.finish())).toThrow(FrameError);
    },
  );

  test('an announced length takes no memory before the bytes are there', () => {
    const before = process.memoryUsage();
    const decoders = Array.from({ length: 20 }, () => {
      const decoder = new MessageDecoder();
      const out = new FrameBuffer(0);
      out.uint64(MESSAGE_BYTES_MAX);
      expect(decoder.decode(out.finish())).toEqual([]);
      return decoder;
    });
    const after = process.memoryUsage();
    expect(decoders.length).toBe(20);
    expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(1 << 20);
  });
});

describe('msgapp stream', () => {
  test('the first append is whole, what goes on from it only entries and commit index', () => {
    const messages = [append(FROM, TO, 4, EMPTY), append(FROM, TO, 5, Uint8Array.of(1))];
    const out = encoded(new MsgAppEncoder(), messages);
    const whole = encodeMessage(messages[0] as Message);
    expect(out[0]).toBe(2);
    expect(out.readBigUInt64BE(1)).toBe(BigInt(whole.length));
    const rest = out.subarray(9 + whole.length);
    expect(rest[0]).toBe(1);
    expect(rest.readBigUInt64BE(1)).toBe(1n);
    const size = Number(rest.readBigUInt64BE(9));
    expect(rest.readBigUInt64BE(17 + size)).toBe(5n);
    expect(rest.length).toBe(25 + size);
  });

  test('an append that does not go on is whole: another term, a step back, a gap, a previous entry of an older term', () => {
    const first = append(FROM, TO, 4, EMPTY);
    const others = [
      append(FROM, TO, 5, EMPTY, 2),
      append(FROM, TO, 3, EMPTY),
      append(FROM, TO, 6, EMPTY),
      { ...append(FROM, TO, 5, EMPTY), logTerm: 0 },
    ];
    for (const other of others) {
      const out = encoded(new MsgAppEncoder(), [first, other]);
      expect(out[encoded(new MsgAppEncoder(), [first]).length]).toBe(2);
    }
  });

  test('an append without entries goes on too', () => {
    const messages = [append(FROM, TO, 4, EMPTY), { ...append(FROM, TO, 5, EMPTY), entries: [], commit: 5 }];
    const out = encoded(new MsgAppEncoder(), messages);
    const tail = out.subarray(out.length - 17);
    expect([...tail]).toEqual([1, ...Array<number>(8).fill(0), ...Array<number>(7).fill(0), 5]);
    expect(new MsgAppDecoder(FROM, TO).decode(out)).toEqual(messages);
  });

  test('any appends in any pieces come out as they went in', () => {
    fc.assert(
      fc.property(appends, cuts, (messages, lengths) => {
        const chunks = cut(encoded(new MsgAppEncoder(), messages), lengths);
        expect(decodeAll(new MsgAppDecoder(FROM, TO), chunks)).toEqual(messages);
      }),
    );
  });

  test('a heartbeat is one zero byte, anywhere between messages', () => {
    const encoder = new MsgAppEncoder();
    const out = new FrameBuffer(0);
    encoder.encodeHeartbeat(out);
    encoder.encode(append(FROM, TO, 4, EMPTY), out);
    encoder.encodeHeartbeat(out);
    encoder.encode(append(FROM, TO, 5, EMPTY), out);
    const bytes = out.finish();
    expect(bytes[0]).toBe(0);
    expect(new MsgAppDecoder(FROM, TO).decode(bytes)).toEqual([append(FROM, TO, 4, EMPTY), append(FROM, TO, 5, EMPTY)]);
  });

  const frame = (type: number, ...numbers: number[]): Uint8Array => {
    const out = new FrameBuffer(0);
    out.byte(type);
    for (const value of numbers) out.uint64(value);
    return out.finish();
  };

  test.for<[string, Uint8Array]>([
    ['a frame of unknown type', frame(3)],
    ['too many entries', frame(1, ENTRIES_PER_FRAME_MAX + 1)],
    ['a count beyond all numbers', frame(1, Number.MAX_SAFE_INTEGER)],
    ['an entry that is too large', frame(1, 2, MESSAGE_BYTES_MAX + 1)],
    ['a message that is too large', frame(2, MESSAGE_BYTES_MAX + 1)],
  ])('%s is refused', ([, bytes]) => {
    expect(() => new MsgAppDecoder(FROM, TO).decode(bytes)).toThrow(FrameError);
  });

  test('entries that are too large together are refused', () => {
    const decoder = new MsgAppDecoder(FROM, TO, 100);
    const out = new FrameBuffer(0);
    out.byte(1);
    out.uint64(3);
    // The third one does not fit any more.
    for (let i = 0; i < 3; i++) out.sized(new Uint8Array(Buffer.from(`221e${'00'.repeat(30)}`, 'hex')));
    expect(() => decoder.decode(out.finish())).toThrow(FrameError);
  });
});

describe('hostile bytes', () => {
  const decoders: [string, () => StreamDecoder][] = [
    ['message', () => new MessageDecoder(10_000)],
    ['msgapp', () => new MsgAppDecoder(FROM, TO, 10_000)],
  ];

  /** Either messages come out, or one of the two errors. */
  function expectSurvived(decoder: StreamDecoder, chunks: readonly Uint8Array[]): void {
    try {
      for (const message of decodeAll(decoder, chunks)) expect(message.type).toBeTypeOf('number');
    } catch (error) {
      expect(['FrameError', 'WireError']).toContain(error instanceof Error ? error.name : error);
    }
  }

  test.for(decoders)('random bytes on the %s stream end in a message or in an error', ([, create]) => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 10 }), (chunks) =>
        expectSurvived(create(), chunks),
      ),
      { numRuns: 500 },
    );
  });

  test.for(decoders)('damaged frames on the %s stream end in a message or in an error', ([name, create]) => {
    const encode = (messages: Message[]): Buffer =>
      encoded(name === 'msgapp' ? new MsgAppEncoder() : new MessageEncoder(), messages);
    fc.assert(
      fc.property(
        appends,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 5 }),
        cuts,
        (messages, flips, lengths) => {
          const bytes = encode(messages);
          for (const [at, value] of flips) if (bytes.length > 0) bytes[at % bytes.length] = value;
          expectSurvived(create(), cut(bytes, lengths));
        },
      ),
      { numRuns: 500 },
    );
  });
});
