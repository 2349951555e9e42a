/** Whatever the input, a decoder returns a message or throws WireError. */
import { expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { WireError } from '../../../src/base/wire.ts';
import { loadCodecs, type Codec } from './all-codecs.ts';
import { randomMessage } from './random-message.ts';

const codecs = await loadCodecs();

/** Whether the input decoded. Anything thrown but a WireError fails the test. */
function decodes(codec: Codec, input: Uint8Array, label: string): boolean {
  try {
    codec.decode(input);
    return true;
  } catch (error) {
    if (error instanceof WireError) return false;
    throw new Error(`${codec.type.fullName}, ${label}`, { cause: error });
  }
}

function encoded(codec: Codec, seed: number): Uint8Array {
  return codec.encode(randomMessage(new SeededRandom(seed), codec.type, 2).ours);
}

test('truncated messages', () => {
  let refused = 0;
  for (const [index, codec] of codecs.entries()) {
    const whole = encoded(codec, index);
    for (let end = 0; end < Math.min(whole.length, 600); end++) {
      if (!decodes(codec, whole.subarray(0, end), `seed ${index} cut at ${end}`)) refused++;
    }
  }
  expect(refused).toBeGreaterThan(1000);
});

test('messages with some bytes changed', () => {
  let refused = 0;
  let accepted = 0;
  for (const [index, codec] of codecs.entries()) {
    const random = new SeededRandom(90_000 + index);
    for (let round = 0; round < 60; round++) {
      const input = encoded(codec, index * 100 + round);
      for (let changes = 0; changes < 3 && input.length > 0; changes++) {
        input[random.below(input.length)] = random.below(256);
      }
      if (decodes(codec, input, `seed ${index * 100 + round}`)) accepted++;
      else refused++;
    }
  }
  expect(refused).toBeGreaterThan(1000);
  expect(accepted).toBeGreaterThan(1000);
});

test('random bytes', () => {
  let refused = 0;
  for (const [index, codec] of codecs.entries()) {
    const random = new SeededRandom(50_000 + index);
    for (let round = 0; round < 150; round++) {
      // Small values make plausible tags and lengths, so that input gets past its first bytes.
      const bound = random.below(2) === 0 ? 256 : 64;
      const input = Uint8Array.from({ length: random.below(64) }, () => random.below(bound));
      if (!decodes(codec, input, `seed ${50_000 + index} round ${round}`)) refused++;
    }
  }
  expect(refused).toBeGreaterThan(1000);
});
