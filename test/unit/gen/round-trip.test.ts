import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { PROTO_FILES } from '../../../scripts/proto/policy.ts';
import { loadCodecs, protoFilesOnDisk } from './all-codecs.ts';
import { randomMessage } from './random-message.ts';

const ROUNDS = 60;
const codecs = await loadCodecs();

test('every .proto file is listed and every message has a codec', () => {
  expect(protoFilesOnDisk().toSorted()).toEqual(PROTO_FILES.map(([proto]) => proto).toSorted());
  expect(codecs.length).toBeGreaterThan(140);
  const lacking = codecs.filter(({ encode, decode }) => typeof encode !== 'function' || typeof decode !== 'function');
  expect(lacking.map(({ type }) => type.fullName)).toEqual([]);
});

describe('against protobufjs, an independent codec', () => {
  test.each(codecs.map((codec, index) => [codec.type.fullName, codec, index] as const))('%s', (name, codec, index) => {
    for (let round = 0; round < ROUNDS; round++) {
      const seed = index * 1000 + round;
      const { theirs, ours } = randomMessage(new SeededRandom(seed), codec.type);
      const theirBytes = Uint8Array.from(codec.type.encode(theirs).finish());
      const ourBytes = codec.encode(ours);
      const label = `${name}, seed ${seed}`;
      expect(Buffer.compare(ourBytes, theirBytes), `${label}: encoded bytes`).toBe(0);
      expect(codec.decode(theirBytes), `${label}: decoded`).toStrictEqual(ours);
      const reread = codec.type.decode(ourBytes);
      expect(Buffer.compare(codec.type.encode(reread).finish(), theirBytes), `${label}: read by protobufjs`).toBe(0);
    }
  });
});
