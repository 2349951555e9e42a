import { expect, it } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { encodeRangeResponse } from '../../../src/gen/rpc.ts';
import { AppendJob, RangeResponseBuilder } from '../../../src/server/range-response-builder.ts';

const join = (pieces: readonly Uint8Array[]): Uint8Array => Buffer.concat(pieces);

it('makes the bytes that the codec makes, whatever the sizes', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const random = new SeededRandom(seed);
    const kvs = Array.from({ length: random.below(400) }, () => {
      const bytes = new Uint8Array(random.below(20) === 0 ? random.below(600_000) : random.below(300));
      return bytes.fill(random.below(256));
    });
    const header = { clusterId: 1n, memberId: 2n, revision: random.below(1000), raftTerm: 3 };
    const [count, more] = [random.below(2) * kvs.length, random.below(2) === 1];
    const builder = new RangeResponseBuilder();
    const lent = kvs.splice(0, random.below(kvs.length + 1));
    for (const kv of lent) {
      const shared = new Uint8Array(kv.length + 2);
      shared.set(kv, 1);
      builder.take(shared, 1, 1 + kv.length);
      // The lender reuses its buffer.
      shared.fill(0xee);
    }
    const job = new AppendJob(builder, kvs);
    while (!job.step(1 + random.below(50)));
    const expected = encodeRangeResponse({ header, kvs: [...lent, ...kvs], count, more });
    expect(Buffer.compare(join(builder.finish(header, count, more)), expected), `seed ${seed}`).toBe(0);
  }
});
