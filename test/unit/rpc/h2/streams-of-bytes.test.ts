import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/random.ts';
import { FrameParser } from '../../../../src/rpc/h2/frame-parser.ts';
import { FloodGuard, TokenBucket } from '../../../../src/rpc/h2/flood-guard.ts';
import { MessageAssembler } from '../../../../src/rpc/h2/message-assembler.ts';
import { Outbound } from '../../../../src/rpc/h2/outbound.ts';
import { PREFACE } from '../../../../src/rpc/h2/protocol.ts';

/** Cuts bytes into random pieces. */
function* pieces(random: SeededRandom, bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length;) {
    const size = random.below(4) === 0 ? 1 + random.below(bytes.length) : 1 + random.below(12);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

const randomBytes = (random: SeededRandom, length: number): Buffer =>
  Buffer.from(Array.from({ length }, () => random.below(256)));

describe('FrameParser', () => {
  it('finds the same frames however the bytes are cut', () => {
    const random = new SeededRandom(3);
    for (let round = 0; round < 300; round++) {
      const sent: unknown[][] = [];
      const parts: Buffer[] = [PREFACE];
      for (let i = random.below(8); i >= 0; i--) {
        const payload = randomBytes(random, random.below(3) === 0 ? 0 : random.below(300));
        const header = Buffer.alloc(9);
        const [type, flags, streamId] = [random.below(12), random.below(256), random.below(0x7fff_ffff)];
        header.writeUIntBE(payload.length, 0, 3);
        header.set([type, flags], 3);
        header.writeUInt32BE((streamId | 0x8000_0000) >>> 0, 5);
        parts.push(header, payload);
        sent.push([type, flags, streamId, payload.toString('hex')]);
      }
      const seen: unknown[][] = [];
      const parser = new FrameParser({
        frame: (type, flags, streamId, buf, start, end) =>
          void seen.push([type, flags, streamId, buf.subarray(start, end).toString('hex')]),
      });
      for (const piece of pieces(random, Buffer.concat(parts))) parser.feed(piece, () => false);
      expect(seen).toEqual(sent);
    }
  });

  it('stops when told to', () => {
    let seen = 0;
    const parser = new FrameParser({ frame: () => void seen++ });
    parser.feed(Buffer.concat([PREFACE, Buffer.alloc(90)]), () => seen >= 3);
    expect(seen).toBe(3);
  });
});

describe('MessageAssembler', () => {
  it('finds the same messages however the bytes are cut', () => {
    const random = new SeededRandom(5);
    for (let round = 0; round < 300; round++) {
      const sent: [string, boolean][] = [];
      const parts: Buffer[] = [];
      for (let i = random.below(6); i >= 0; i--) {
        const body = randomBytes(random, random.below(3) === 0 ? 0 : random.below(400));
        const prefix = Buffer.alloc(5);
        const isCompressed = random.below(2) === 1;
        prefix[0] = isCompressed ? 1 : 0;
        prefix.writeUInt32BE(body.length, 1);
        parts.push(prefix, body);
        sent.push([body.toString('hex'), isCompressed]);
      }
      const seen: [string, boolean][] = [];
      const sink = {
        assembled: (bytes: Buffer, isCompressed: boolean) => void seen.push([bytes.toString('hex'), isCompressed]),
        assemblyFailed: (error: Error) => {
          throw error;
        },
      };
      const assembler = new MessageAssembler(sink, 1000);
      for (const piece of pieces(random, Buffer.concat(parts))) assembler.feed(piece, 0, piece.length);
      expect(seen).toEqual(sent);
      expect(assembler.isWithinMessage).toBe(false);
      expect(assembler.heldBytes).toBe(0);
    }
  });

  it.each([[[16]], [[3, 5]], [[1, 2, 3, 4, 5]]])('refuses a message over the limit, cut at %j', (cuts) => {
    const seen: string[] = [];
    const assembler = new MessageAssembler(
      { assembled: () => seen.push('assembled'), assemblyFailed: (error) => seen.push(error.message) },
      10,
    );
    const bytes = Buffer.concat([Buffer.from([0, 0, 0, 0, 11]), Buffer.alloc(11)]);
    const results = cuts.map((end, i) => assembler.feed(bytes, cuts[i - 1] ?? 0, end));
    expect(results).toEqual(cuts.map((_, i) => i < cuts.length - 1));
    expect(seen).toEqual(['grpc: received message larger than max (11 vs. 10)']);
  });

  it('does not allocate what a client only announces', () => {
    const assembler = new MessageAssembler({ assembled: () => {}, assemblyFailed: () => {} }, 1e9);
    assembler.feed(Buffer.from([0, 0x3b, 0x9a, 0xca, 0x00, 1, 2, 3]), 0, 8);
    expect(assembler.isWithinMessage).toBe(true);
    expect(assembler.heldBytes).toBeLessThanOrEqual(64 * 1024);
  });
});

describe('Outbound', () => {
  it('gives out, in any pieces, what was pushed', () => {
    const random = new SeededRandom(9);
    for (let round = 0; round < 200; round++) {
      const outbound = new Outbound();
      const expected: Buffer[] = [];
      const taken: Buffer[] = [];
      for (let step = 0; step < 30; step++) {
        if (random.below(2) === 0) {
          const head = randomBytes(random, random.below(5) === 0 ? 1025 + random.below(500) : random.below(50));
          const tail = random.below(2) === 0 ? randomBytes(random, random.below(60)) : undefined;
          outbound.push(head, tail);
          const prefix = Buffer.alloc(5);
          prefix.writeUInt32BE(head.length + (tail?.length ?? 0), 1);
          expected.push(prefix, head, tail ?? Buffer.alloc(0));
        } else {
          const out = Buffer.alloc(random.below(outbound.bytes + 1));
          outbound.take(out.length, out, 0);
          taken.push(out);
        }
      }
      const rest = Buffer.alloc(outbound.bytes);
      outbound.take(rest.length, rest, 0);
      expect(Buffer.concat([...taken, rest]).equals(Buffer.concat(expected))).toBe(true);
      expect(outbound.bytes).toBe(0);
    }
  });
});

describe('FloodGuard', () => {
  it('fills up again', () => {
    const bucket = new TokenBucket(3, 1000);
    expect([0, 0, 0, 0].map((ms) => bucket.take(ms))).toEqual([true, true, true, false]);
    expect([2, 2, 2].map((ms) => bucket.take(ms))).toEqual([true, true, false]);
    expect([1000, 1000, 1000, 1000].map((ms) => bucket.take(ms))).toEqual([true, true, true, false]);
  });

  it('has no quarrel with a client that cancels now and then', () => {
    const guard = new FloodGuard();
    for (let ms = 0; ms < 60_000; ms += 4) {
      guard.onReset(ms);
      guard.onIdleFrame(ms);
    }
    expect(() => {
      for (let i = 0; i < 3000; i++) guard.onReset(60_000);
    }).toThrow('too many streams reset');
  });
});
