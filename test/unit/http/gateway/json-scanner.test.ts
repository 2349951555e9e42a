import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonScanner, JsonSyntaxError } from '../../../../src/http/gateway/json-scanner.ts';

const BYTES_MAX = 1024 * 1024;

/** Every value of `text`, given in chunks; or the error. */
function scan(text: Buffer, chunkBytes: number): string[] | Error {
  const scanner = new JsonScanner(BYTES_MAX);
  const values: string[] = [];
  try {
    for (let at = 0; at < text.length; at += chunkBytes) {
      for (const value of scanner.push(text.subarray(at, at + chunkBytes))) values.push(value.toString('utf8'));
    }
    const last = scanner.end();
    return last === undefined ? values : [...values, last.toString('utf8')];
  } catch (error) {
    if (error instanceof JsonSyntaxError) return error;
    throw error;
  }
}

describe('JSON as it comes', () => {
  it('is cut into its values, wherever the chunks end', () => {
    const values = fc.array(
      fc.jsonValue().filter((value) => typeof value === 'object' && value !== null),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(
        values,
        fc.integer({ min: 1, max: 9 }),
        fc.constantFrom('', ' ', '\n\t'),
        (list, chunkBytes, space) => {
          const texts = list.map((value) => JSON.stringify(value, null, space));
          expect(scan(Buffer.from(texts.join(space)), chunkBytes)).toEqual(texts);
        },
      ),
      { numRuns: 200 },
    );
  });

  it('is refused exactly where JSON.parse refuses it', () => {
    const letters = fc.constantFrom(...Array.from('{}[]:,"\\ue10-.+ tfnrals\n\u0001'));
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 12 }), (list) => {
        const text = `[${list.join('')}]`;
        let isValid = true;
        try {
          JSON.parse(text);
        } catch {
          isValid = false;
        }
        const found = scan(Buffer.from(text), 3);
        if (isValid) expect(found).toEqual([text]);
        else expect(found).not.toEqual([text]);
      }),
      { numRuns: 2000 },
    );
  });

  it('may hold any number of values, of which a number ends with what follows it', () => {
    expect(scan(Buffer.from('1 -2.5e3{}true"x"null[1]0'), 1)).toEqual([
      '1',
      '-2.5e3',
      '{}',
      'true',
      '"x"',
      'null',
      '[1]',
      '0',
    ]);
    expect(scan(Buffer.from(' \n'), 1)).toEqual([]);
  });

  it('is refused when it is too long or too deep', () => {
    expect(() => [...new JsonScanner(10).push(Buffer.from('"aaaaaaaaaaaaaaa'))]).toThrow('too large');
    expect(scan(Buffer.from('['.repeat(10_001)), 4096)).toEqual(
      new JsonSyntaxError("invalid character '[' exceeded max depth"),
    );
    expect(scan(Buffer.from(`${'['.repeat(10_000)}${']'.repeat(10_000)}`), 4096)).toHaveLength(1);
  });
});
