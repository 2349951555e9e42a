import { describe, expect, it } from 'vitest';
import { SeededRandom } from '../../../../src/base/random.ts';
import { HEADER_LIST_BYTES_MAX, HpackDecoder } from '../../../../src/rpc/h2/hpack-decoder.ts';
import { huffmanDecode } from '../../../../src/rpc/h2/huffman.ts';
import { ConnectionError } from '../../../../src/rpc/h2/protocol.ts';
import type { RequestHeaders } from '../../../../src/rpc/h2/request-headers.ts';
import { ResponseEncoder, percentEncode } from '../../../../src/rpc/h2/response-encoder.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

function decode(decoder: HpackDecoder, bytes: Buffer): RequestHeaders {
  return decoder.decode(bytes, 0, bytes.length);
}

/** name: value of those asked for. */
function pick(headers: RequestHeaders, ...names: string[]): (string | undefined)[] {
  return names.map((name) => headers.get(name));
}

describe('HPACK decoder: examples of RFC 7541, appendix C', () => {
  const request = [':method', ':scheme', ':path', ':authority'];

  it('C.2: single fields', () => {
    const literal = decode(new HpackDecoder(), hex('400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572'));
    expect(literal.get('custom-key')).toBe('custom-header');
    expect(decode(new HpackDecoder(), hex('040c 2f73 616d 706c 652f 7061 7468')).get(':path')).toBe('/sample/path');
    expect(decode(new HpackDecoder(), hex('1008 7061 7373 776f 7264 0673 6563 7265 74')).get('password')).toBe(
      'secret',
    );
    expect(decode(new HpackDecoder(), hex('82')).get(':method')).toBe('GET');
  });

  it.each([
    [
      'C.3: without Huffman',
      '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
      '8286 84be 5808 6e6f 2d63 6163 6865',
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      'C.4: with Huffman',
      '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
      '8286 84be 5886 a8eb 1064 9cbf',
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ])('%s', (_name, first, second, third) => {
    const decoder = new HpackDecoder();
    expect(pick(decode(decoder, hex(first)), ...request)).toEqual(['GET', 'http', '/', 'www.example.com']);
    expect(pick(decode(decoder, hex(second)), ...request, 'cache-control')).toEqual([
      'GET',
      'http',
      '/',
      'www.example.com',
      'no-cache',
    ]);
    expect(pick(decode(decoder, hex(third)), ...request, 'custom-key')).toEqual([
      'GET',
      'https',
      '/index.html',
      'www.example.com',
      'custom-value',
    ]);
  });

  it('C.6: eviction from a table of 256 bytes', () => {
    const decoder = new HpackDecoder();
    const blocks = [
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      '88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07',
    ];
    decode(decoder, hex('3fe1 01'));
    const [first, second, third] = blocks.map((block) => decode(decoder, hex(block)));
    const names = [':status', 'cache-control', 'date', 'location'];
    const location = 'https://www.example.com';
    expect(first && pick(first, ...names)).toEqual(['302', 'private', 'Mon, 21 Oct 2013 20:13:21 GMT', location]);
    expect(second && pick(second, ...names)).toEqual(['307', 'private', 'Mon, 21 Oct 2013 20:13:21 GMT', location]);
    expect(third && pick(third, ...names, 'content-encoding', 'set-cookie')).toEqual([
      '200',
      'private',
      'Mon, 21 Oct 2013 20:13:22 GMT',
      location,
      'gzip',
      'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    ]);
  });
});

describe('HPACK decoder', () => {
  it('remembers a block only as long as the table means the same by it', () => {
    const decoder = new HpackDecoder();
    const add = (value: string): Buffer =>
      Buffer.concat([hex('4001 78'), Buffer.from([value.length]), Buffer.from(value)]);
    const newest = hex('be');
    decode(decoder, add('one'));
    expect(decode(decoder, newest).get('x')).toBe('one');
    expect(decode(decoder, newest)).toBe(decode(decoder, newest));
    decode(decoder, add('two'));
    expect(decode(decoder, newest).get('x')).toBe('two');
    decode(decoder, hex('20'));
    expect(() => decode(decoder, newest)).toThrow(ConnectionError);
  });

  it('throws nothing but compression errors on random bytes, however they begin', () => {
    const random = new SeededRandom(11);
    let refused = 0;
    for (let round = 0; round < 3000; round++) {
      const decoder = new HpackDecoder();
      for (let i = 0; i < 5; i++) {
        const bytes = Buffer.from(Array.from({ length: random.below(60) }, () => random.below(256)));
        try {
          const headers = decode(decoder, bytes);
          expect(typeof headers.isTooLarge).toBe('boolean');
        } catch (error) {
          if (!(error instanceof ConnectionError)) throw error;
          refused++;
          break;
        }
      }
    }
    expect(refused).toBeGreaterThan(100);
  });

  it('drops a list that is too large, but keeps the table in step', () => {
    const decoder = new HpackDecoder();
    const value = 'v'.repeat(4000);
    const entry = Buffer.concat([hex('4001 78 7f a1 1e'), Buffer.from(value)]);
    const count = Math.ceil(HEADER_LIST_BYTES_MAX / 4000);
    const headers = decode(decoder, Buffer.concat([entry, Buffer.alloc(count, 0xbe), hex('4001 79 01 31')]));
    expect(headers.isTooLarge).toBe(true);
    expect(headers.get('x')).toBeUndefined();
    expect(decode(decoder, hex('be')).get('y')).toBe('1');
  });
});

describe('Huffman', () => {
  const decodeText = (bytes: Buffer): string | undefined => {
    const out = Buffer.alloc(bytes.length * 2);
    const length = huffmanDecode(bytes, 0, bytes.length, out);
    return length < 0 ? undefined : out.toString('latin1', 0, length);
  };

  it('decodes what the RFC encodes', () => {
    expect(decodeText(hex('f1e3 c2e5 f23a 6ba0 ab90 f4ff'))).toBe('www.example.com');
    expect(decodeText(hex('9d29 ad17 1863 c78f 0b97 c8e9 ae82 ae43 d3'))).toBe('https://www.example.com');
    expect(decodeText(Buffer.alloc(0))).toBe('');
  });

  it('refuses padding that is too long or not ones, and the end-of-string symbol', () => {
    expect(decodeText(hex('ff'))).toBeUndefined();
    expect(decodeText(hex('1f ff'))).toBeUndefined();
    expect(decodeText(hex('18'))).toBeUndefined();
    expect(decodeText(hex('3f ff ff ff ff'))).toBeUndefined();
    expect(decodeText(hex('1f'))).toBe('a');
  });
});

describe('ResponseEncoder', () => {
  /** A client's view of a series of blocks. */
  function client(): { take: (encoder: ResponseEncoder, length: number) => RequestHeaders; bytes: number[] } {
    const decoder = new HpackDecoder();
    const bytes: number[] = [];
    return {
      bytes,
      take: (encoder, length) => {
        bytes.push(length);
        return decoder.decode(Buffer.from(encoder.block.subarray(0, length)), 0, length);
      },
    };
  }

  it.each([undefined, 0, 100, 300, 4096, 65536])('is understood by a client with a table of %s bytes', (tableBytes) => {
    const encoder = new ResponseEncoder();
    if (tableBytes !== undefined) encoder.setTableSize(tableBytes);
    const { take, bytes } = client();
    for (let round = 0; round < 3; round++) {
      const headers = take(encoder, encoder.headers());
      expect(pick(headers, ':status', 'content-type')).toEqual(['200', 'application/grpc']);
      expect(take(encoder, encoder.okTrailers()).get('grpc-status')).toBe('0');
      const failed = take(encoder, encoder.trailersOnly(5, 'not found'));
      expect(pick(failed, ':status', 'content-type', 'grpc-status', 'grpc-message')).toEqual([
        '200',
        'application/grpc',
        '5',
        'not found',
      ]);
      const refusal = { httpStatus: 415, code: 3, message: 'no gRPC' } as const;
      const refused = take(encoder, encoder.refusal(refusal));
      expect([':status', 'grpc-status', 'grpc-message'].map((name) => refused.get(name))).toEqual([
        '415',
        '3',
        'no gRPC',
      ]);
      expect(take(encoder, encoder.trailers(14, '')).get('grpc-status')).toBe('14');
    }
    const isSmall = tableBytes !== undefined && tableBytes < 256;
    expect(bytes.at(-4)).toBe(isSmall ? 15 : 1);
  });

  it('follows a client that takes its table away', () => {
    const encoder = new ResponseEncoder();
    const { take } = client();
    take(encoder, encoder.headers());
    take(encoder, encoder.okTrailers());
    encoder.setTableSize(0);
    expect(take(encoder, encoder.headers()).get('content-type')).toBe('application/grpc');
    expect(take(encoder, encoder.okTrailers()).get('grpc-status')).toBe('0');
    encoder.setTableSize(4096);
    expect(take(encoder, encoder.headers()).get('content-type')).toBe('application/grpc');
  });

  it('percent-encodes what gRPC wants percent-encoded', () => {
    expect(percentEncode('plain text, with: "marks" ~')).toBe('plain text, with: "marks" ~');
    expect(percentEncode('100% ü\n')).toBe('100%25 %C3%BC%0A');
    expect(percentEncode('日本')).toBe('%E6%97%A5%E6%9C%AC');
    expect(percentEncode('x'.repeat(100_000))).toHaveLength(8192);
    expect(percentEncode('ü'.repeat(100_000))).toHaveLength(8190);
  });
});
