import 'reflect-metadata';
import fc from 'fast-check';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRevocationLists, RevocationListError, serialKey } from '../../../../src/platform/tls/revocation-list.ts';
import { type Authority, CertificateFolder } from '../../../support/certificates.ts';

const folder = new CertificateFolder();
let authority: Authority;
beforeAll(async () => {
  authority = await folder.authority('crl');
});
afterAll(() => folder.remove());

const pem = (der: Uint8Array): string => x509.PemConverter.encode(der, 'X509 CRL');

describe('serial numbers', () => {
  test.each([[[]], [['01']], [['00ff', '7f', '80', 'deadbeefdeadbeefdeadbeef']]])('%j', async (serials: string[]) => {
    const der = await authority.revocationList(serials);
    const expected = new Set(serials.map(serialKey));
    expect(parseRevocationLists(der)).toEqual(expected);
    expect(parseRevocationLists(Buffer.from(pem(der)))).toEqual(expected);
  });

  test('of several lists in one file', async () => {
    const lists = await Promise.all([['0a'], ['0b', '0c']].map((serials) => authority.revocationList(serials)));
    const file = `a comment\n${lists.map(pem).join('\n')}\n`;
    expect(parseRevocationLists(Buffer.from(file))).toEqual(new Set(['a', 'b', 'c']));
  });

  test('are as another implementation reads them', async () => {
    const serial = fc.bigInt({ min: 1n, max: 2n ** 152n }).map((value) => {
      const hex = value.toString(16);
      return hex.length % 2 === 0 ? hex : `0${hex}`;
    });
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(serial, { maxLength: 40 }), async (serials) => {
        const der = await authority.revocationList(serials);
        const theirs = new x509.X509Crl(der).entries.map((entry) => serialKey(entry.serialNumber));
        expect(parseRevocationLists(der)).toEqual(new Set(theirs));
        expect(theirs).toEqual(serials.map(serialKey));
      }),
      { numRuns: 20 },
    );
  });

  test('are spelled in one way', () => {
    expect(['00AB', 'ab', '-AB', '0', '000'].map(serialKey)).toEqual(['ab', 'ab', 'ab', '0', '0']);
  });
});

describe('what is no list', () => {
  test.each([
    ['nothing', new Uint8Array(), 'it holds no X509 CRL'],
    ['text', Buffer.from('hello'), 'it holds no X509 CRL'],
    [
      'PEM of something else',
      Buffer.from('-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'),
      'no X509 CRL',
    ],
    ['PEM of nothing', Buffer.from('-----BEGIN X509 CRL-----\n-----END X509 CRL-----'), 'instead of tag 48'],
    ['a length without end', Uint8Array.of(0x30, 0x80, 0, 0), 'a length of 0 bytes'],
    ['a length beyond all', Uint8Array.of(0x30, 0x84, 0xff, 0xff, 0xff, 0xff), 'it is cut off'],
    ['a length of too many bytes', Uint8Array.of(0x30, 0x85, 1, 1, 1, 1, 1), 'a length of 5 bytes'],
  ])('%s', (_what, file, message) => {
    expect(() => parseRevocationLists(file)).toThrow(RevocationListError);
    expect(() => parseRevocationLists(file)).toThrow(message);
  });

  test('a certificate', () => {
    const der = new Uint8Array(new x509.X509Certificate(authority.cert).rawData);
    expect(() => parseRevocationLists(der)).toThrow(RevocationListError);
  });

  test('every cut-off list, and every one with something behind', async () => {
    const der = await authority.revocationList(['0a', '0b']);
    for (let length = 0; length < der.length; length++) {
      expect(() => parseRevocationLists(der.subarray(0, length))).toThrow(RevocationListError);
    }
    expect(() => parseRevocationLists(Buffer.concat([der, Uint8Array.of(0)]))).toThrow(RevocationListError);
  });

  test('whatever is changed in a list: it is read or refused, and nothing else', async () => {
    const der = await authority.revocationList(['0a', '0b', '0c']);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(der.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (changes) => {
          const bytes = Uint8Array.from(der);
          for (const [at, value] of changes) bytes[at] = value;
          try {
            expect(parseRevocationLists(bytes).size).toBeLessThanOrEqual(bytes.length);
          } catch (error) {
            expect(error).toBeInstanceOf(RevocationListError);
          }
        },
      ),
      { numRuns: 3000 },
    );
  });
});

test('100,000 serial numbers are read in no time', () => {
  const entry = (i: number): Buffer =>
    Buffer.concat([Buffer.of(0x30, 0x15, 0x02, 4), Buffer.from((i + 0x10000000).toString(16), 'hex'), TIME]);
  const revoked = sequence(Buffer.concat(Array.from({ length: 100_000 }, (_, i) => entry(i))));
  const signed = sequence(Buffer.concat([sequence(Buffer.of()), sequence(Buffer.of()), TIME, revoked]));
  const list = sequence(Buffer.concat([signed, sequence(Buffer.of()), Buffer.of(0x03, 0x01, 0x00)]));
  const startMs = performance.now();
  const serials = parseRevocationLists(list);
  expect(serials.size).toBe(100_000);
  expect(serials.has('10000007')).toBe(true);
  expect(performance.now() - startMs).toBeLessThan(5000);
});

const TIME = Buffer.concat([Buffer.of(0x17, 13), Buffer.from('260101000000Z')]);

function sequence(content: Buffer): Buffer {
  const length = Buffer.alloc(5);
  length[0] = 0x84;
  length.writeUInt32BE(content.length, 1);
  return Buffer.concat([Buffer.of(0x30), length, content]);
}
