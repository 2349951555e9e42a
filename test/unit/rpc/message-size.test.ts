import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { WireError } from '../../../src/base/wire.ts';
import {
  decodeTxnRequest,
  encodePutRequest,
  encodeTxnRequest,
  type RequestOpInit,
  type TxnRequest,
  type TxnRequestInit,
} from '../../../src/gen/rpc.ts';
import { checkFields, checkTxnSize } from '../../../src/rpc/message-size.ts';

const OPS_MAX = 128;
const TOO_MANY = 'etcdserver: too many operations in txn request';

/** Lists of up to five, mostly of few; three levels of them stay below what all together may be. */
function randomTxn(random: SeededRandom, depth: number): TxnRequestInit {
  const count = (): number => random.below(random.below(4) === 0 ? 6 : 3);
  const ops = (): RequestOpInit[] =>
    Array.from({ length: count() }, (_, i) =>
      depth > 0 && random.below(3) === 0 ? { requestTxn: randomTxn(random, depth - 1) } : put(i),
    );
  return {
    compare: Array.from({ length: count() }, () => ({ key: Buffer.from('k') })),
    success: ops(),
    failure: ops(),
  };
}

function longestList({ compare, success, failure }: TxnRequest): number {
  const nested = [...success, ...failure].map(({ requestTxn }) =>
    requestTxn === undefined ? 0 : longestList(requestTxn),
  );
  return Math.max(compare.length, success.length, failure.length, ...nested);
}

const put = (i: number): RequestOpInit => ({ requestPut: { key: Buffer.from(`key ${i}`), value: Buffer.alloc(10) } });
const puts = (count: number): RequestOpInit[] => Array.from({ length: count }, (_, i) => put(i));
const check = (txn: TxnRequestInit): void => checkTxnSize(encodeTxnRequest(txn), OPS_MAX);

describe('the size of a txn, before it is decoded', () => {
  it('lets through as many operations as there may be, in each list', () => {
    expect(() => check({ success: puts(128), failure: puts(128) })).not.toThrow();
    const nested = { requestTxn: { success: puts(60), failure: puts(60) } };
    expect(() => check({ success: [...puts(30), nested] })).not.toThrow();
  });

  it('refuses one more, in a list or in one that is nested', () => {
    expect(() => check({ success: puts(129) })).toThrow(TOO_MANY);
    expect(() => check({ failure: puts(129) })).toThrow(TOO_MANY);
    expect(() => check({ compare: Array.from({ length: 129 }, () => ({ key: Buffer.from('k') })) })).toThrow(TOO_MANY);
    expect(() => check({ success: [{ requestTxn: { success: puts(129) } }] })).toThrow(TOO_MANY);
  });

  it('refuses lists that are short, and many', () => {
    const inner = { requestTxn: { success: puts(100) } };
    expect(() => check({ success: Array.from({ length: 100 }, () => inner) })).toThrow(TOO_MANY);
  });

  it('refuses a million of nothing at once', () => {
    const bytes = Buffer.alloc(2_000_000);
    for (let i = 0; i < bytes.length; i += 2) bytes[i] = 0x12;
    const startMs = performance.now();
    expect(() => checkTxnSize(bytes, OPS_MAX)).toThrow(TOO_MANY);
    expect(performance.now() - startMs).toBeLessThan(500);
  });

  it('refuses an operation with more fields than any has', () => {
    const op = Buffer.alloc(20_000);
    for (let i = 0; i < op.length; i += 2) op[i] = 0x22;
    const txn = Buffer.concat([Buffer.from([0x12, 0xa0, 0x9c, 0x01]), op]);
    expect(() => checkTxnSize(txn, OPS_MAX)).toThrow(TOO_MANY);
  });

  it('agrees with a count of what is decoded', () => {
    const random = new SeededRandom(20_261);
    const outcomes = { passed: 0, refused: 0 };
    for (let round = 0; round < 2000; round++) {
      const bytes = encodeTxnRequest(randomTxn(random, 2));
      const isTooLong = longestList(decodeTxnRequest(bytes)) > 4;
      let isRefused = false;
      try {
        checkTxnSize(bytes, 4);
      } catch {
        isRefused = true;
      }
      if (isTooLong !== isRefused) throw new Error(`seed 20261, round ${round}: ${isRefused ? 'refused' : 'passed'}`);
      outcomes[isRefused ? 'refused' : 'passed']++;
    }
    expect(Math.min(outcomes.passed, outcomes.refused)).toBeGreaterThan(100);
  });

  it('is looked at without another error than those two, whatever the bytes', () => {
    const random = new SeededRandom(20_262);
    const tags = [0x0a, 0x12, 0x1a, 0x22, 0x08];
    const outcomes = { refused: 0, malformed: 0 };
    for (let round = 0; round < 3000; round++) {
      const bytes = Uint8Array.from({ length: 20 + random.below(200) }, (_, i) =>
        i % 2 === 0 ? (tags[random.below(tags.length)] ?? 0) : random.below(random.below(8) === 0 ? 12 : 3),
      );
      try {
        checkTxnSize(bytes, 4);
      } catch (error) {
        if (error instanceof WireError) outcomes.malformed++;
        else if (error instanceof Error && error.message === TOO_MANY) outcomes.refused++;
        else throw new Error(`seed 20262, round ${round}`, { cause: error });
      }
    }
    expect(Math.min(outcomes.refused, outcomes.malformed)).toBeGreaterThan(5);
  });

  it('says of what is malformed that it is', () => {
    const bytes = Buffer.alloc(1000, 0xff);
    expect(() => checkTxnSize(bytes, OPS_MAX)).toThrow(/truncated|varint/);
  });
});

describe('the number of fields of a request', () => {
  it('does not matter for large values', () => {
    expect(() =>
      checkFields(encodePutRequest({ key: Buffer.from('k'), value: Buffer.alloc(1_500_000) })),
    ).not.toThrow();
  });

  it('is limited', () => {
    const bytes = Buffer.alloc(2_000_000);
    for (let i = 0; i < bytes.length; i += 2) bytes[i] = 0x0a;
    expect(() => checkFields(bytes)).toThrow('more than 20000 fields');
  });
});
