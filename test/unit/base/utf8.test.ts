/** Against the platform's TextEncoder and TextDecoder. */
import { expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import { utf8Decode, utf8Encode, utf8IsValid, utf8Length } from '../../../src/base/utf8.ts';

const encoder = new TextEncoder();

function reference(input: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(input);
  } catch {
    return undefined;
  }
}

test('encodes as TextEncoder does, lone surrogates included', () => {
  const random = new SeededRandom(1);
  const units = [0x41, 0x7f, 0x80, 0x7ff, 0x800, 0xd7ff, 0xd800, 0xdbff, 0xdc00, 0xdfff, 0xe000, 0xfffd, 0xffff];
  for (let round = 0; round < 20_000; round++) {
    const length = random.below(8);
    const text = String.fromCharCode(...Array.from({ length }, () => units[random.below(units.length)] as number));
    const bytes = utf8Encode(text);
    expect(Buffer.from(bytes).toString('hex')).toBe(Buffer.from(encoder.encode(text)).toString('hex'));
    expect(utf8Length(text)).toBe(bytes.length);
  }
});

test('every code point survives', () => {
  for (let code = 0; code <= 0x10ffff; code += code < 0x3000 ? 1 : 37) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const text = String.fromCodePoint(code);
    if (utf8Decode(utf8Encode(text)) !== text) throw new Error(`U+${code.toString(16)}`);
  }
  expect(utf8Decode(utf8Encode('\u{10ffff}'))).toBe('\u{10ffff}');
});

test('accepts and refuses exactly what a strict TextDecoder does', () => {
  const random = new SeededRandom(2);
  const bytes = [
    0x41, 0x7f, 0x80, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0x9f, 0xa0, 0xed, 0xef, 0xf0, 0x8f, 0x90, 0xf4, 0xf5, 0xff,
  ];
  let accepted = 0;
  for (let round = 0; round < 60_000; round++) {
    const input = Uint8Array.from({ length: random.below(6) }, () => bytes[random.below(bytes.length)] as number);
    const expected = reference(input);
    if (utf8Decode(input) !== expected)
      throw new Error(`${Buffer.from(input).toString('hex')}: ${expected ?? 'invalid'}`);
    if (utf8IsValid(input) !== (expected !== undefined))
      throw new Error(`validity of ${Buffer.from(input).toString('hex')}`);
    if (expected !== undefined && input.length > 1) accepted++;
  }
  expect(accepted).toBeGreaterThan(500);
});

test('long text, across the chunk size, and a range of a larger buffer', () => {
  const text = 'x'.repeat(10_000) + 'é'.repeat(100) + 'tail';
  expect(utf8Decode(utf8Encode(text))).toBe(text);
  expect(utf8Decode(encoder.encode('..abc..'), 2, 5)).toBe('abc');
});
