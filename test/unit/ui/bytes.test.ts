import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  escaped,
  fromBase64,
  hexDump,
  prefixEnd,
  prettyJson,
  successor,
  toBase64,
  unescaped,
} from '../../../src/ui/bytes.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Not half of a pair. */
const CODE_POINT = fc.integer({ min: 0, max: 0x10ffff }).filter((point) => point < 0xd800 || point > 0xdfff);

describe('keys as lines', () => {
  test.each([
    ['/registry/pods/a', text('/registry/pods/a')],
    ['schlüssel 鍵', text('schlüssel 鍵')],
    ['a\\\\b', text('a\\b')],
    ['\\x00\\xff', bytes(0, 0xff)],
    ['a\\x0ab', text('a\nb')],
    // What turns the direction around, or cannot be seen, is shown.
    ['a\\xe2\\x80\\xaeb', text('a\u202eb')],
    ['a\\xe2\\x80\\x8bb', text('a\u200bb')],
    ['<b>', text('<b>')],
  ])('%s', (line, key) => {
    expect(escaped(key)).toBe(line);
    expect(unescaped(line)).toEqual(key);
  });

  test('lead back to the same bytes, whatever they are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (key) => {
        expect(Buffer.from(unescaped(escaped(key))).equals(key)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.array(CODE_POINT, { maxLength: 20 }), (points) => {
        const key = text(String.fromCodePoint(...points));
        expect(Buffer.from(unescaped(escaped(key))).equals(key)).toBe(true);
      }),
    );
  });

  test('as people type them: an unfinished escape stands for itself', () => {
    expect(unescaped('a\\')).toEqual(text('a\\'));
    expect(unescaped('\\x4')).toEqual(text('\\x4'));
    expect(unescaped('\\n')).toEqual(text('\\n'));
    expect(unescaped('')).toEqual(bytes());
  });
});

describe('ranges', () => {
  test('the end of a prefix', () => {
    expect(prefixEnd(text('ab'))).toEqual(text('ac'));
    expect(prefixEnd(bytes(1, 0xff, 0xff))).toEqual(bytes(2));
    expect(prefixEnd(bytes(0xff, 0xff))).toEqual(bytes(0));
    expect(prefixEnd(bytes())).toEqual(bytes(0));
  });

  test('the key after a key', () => {
    expect(successor(bytes(1, 2))).toEqual(bytes(1, 2, 0));
    expect(successor(bytes())).toEqual(bytes(0));
  });

  test('base64 there and back', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (value) => {
        expect(toBase64(value)).toBe(Buffer.from(value).toString('base64'));
        expect(Buffer.from(fromBase64(toBase64(value))).equals(value)).toBe(true);
      }),
    );
  });
});

describe('values', () => {
  test('as bytes', () => {
    expect(hexDump(text('0123456789abcdefXY\n'))).toBe(
      [
        '00000000  30 31 32 33 34 35 36 37  38 39 61 62 63 64 65 66  0123456789abcdef',
        '00000010  58 59 0a                                          XY.',
      ].join('\n'),
    );
    expect(hexDump(bytes())).toBe('');
  });

  test('as indented JSON, which changes nothing but space', () => {
    const json = '{"a":[1,2.50,{"b":"x, {y}: \\"z\\""}],"id":12345678901234567890,"e":{},"f":[],"g":null}';
    expect(prettyJson(json)).toBe(
      [
        '{',
        '  "a": [',
        '    1,',
        '    2.50,',
        '    {',
        '      "b": "x, {y}: \\"z\\""',
        '    }',
        '  ],',
        '  "id": 12345678901234567890,',
        '  "e": {},',
        '  "f": [],',
        '  "g": null',
        '}',
      ].join('\n'),
    );
    fc.assert(
      fc.property(fc.object(), (value) => {
        const compact = JSON.stringify(value);
        expect(JSON.parse(prettyJson(compact) ?? '')).toEqual(JSON.parse(compact));
      }),
    );
  });

  test('are no JSON if they only look like it', () => {
    expect(prettyJson('{"a":')).toBeUndefined();
    expect(prettyJson('{a:1}')).toBeUndefined();
    expect(prettyJson('12')).toBeUndefined();
    expect(prettyJson('plain')).toBeUndefined();
  });
});
