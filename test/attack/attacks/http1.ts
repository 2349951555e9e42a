/** HTTP/1.1 on the client port: the JSON gateway and the endpoints beside it. */
import { gzipSync } from 'node:zlib';
import type { Attack } from '../attack.ts';
import { flood } from '../flood.ts';

function post(path: string, body: Uint8Array | string, headers = ''): Buffer {
  const bytes = Buffer.from(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: x\r\n${headers}Content-Length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

function bodyFlood(name: string, what: string, make: () => string, more: Partial<Attack> = {}): Attack {
  return {
    name,
    what,
    ...more,
    run: (run) => {
      const bytes = post('/v3/kv/txn', make());
      return flood(run, { connections: 8, next: () => bytes, reads: true });
    },
  };
}

const LARGE_RANGE = JSON.stringify({
  key: Buffer.from('large/').toString('base64'),
  range_end: Buffer.from('large0').toString('base64'),
});

export const HTTP1_ATTACKS: readonly Attack[] = [
  {
    name: 'idle-connections',
    what: '2,000 connections that say nothing',
    run: (run) => flood(run, { connections: 2000 }),
  },
  {
    name: 'half-preface',
    what: '2,000 connections with half of the HTTP/2 preface',
    run: (run) => flood(run, { connections: 2000, greeting: Buffer.from('PRI * HTTP') }),
  },
  {
    name: 'slow-headers',
    what: '500 requests whose headers never end, a field at a time',
    run: (run) =>
      flood(run, {
        connections: 500,
        greeting: Buffer.from('GET /health HTTP/1.1\r\nHost: x\r\n'),
        next: (step) => Buffer.from(`X-${step}: y\r\n`),
        pauseMs: 200,
      }),
  },
  {
    name: 'slow-bodies',
    what: '500 requests of which 100 kB came and the rest does not',
    run: (run) =>
      flood(run, {
        connections: 500,
        greeting: Buffer.concat([
          Buffer.from('POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n{"key":"'),
          Buffer.alloc(100_000, 'a'),
        ]),
      }),
  },
  {
    name: 'one-byte-chunks',
    what: 'bodies in chunks of one byte',
    // One read of the socket is ten thousand chunks, which Node parses in one go.
    limits: { worstMs: 15_000 },
    run: (run) => {
      const chunks = Buffer.from('1\r\na\r\n'.repeat(10_000));
      return flood(run, {
        connections: 4,
        greeting: Buffer.from('POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"k\r\n'),
        next: () => chunks,
      });
    },
  },
  {
    name: 'one-byte-chunks-stream',
    what: 'a watch whose request comes in chunks of one byte',
    // One read of the socket is ten thousand chunks, which Node parses in one go.
    limits: { worstMs: 15_000 },
    run: (run) => {
      const chunks = Buffer.from('1\r\na\r\n'.repeat(10_000));
      return flood(run, {
        connections: 4,
        greeting: Buffer.from('POST /v3/watch HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"k\r\n'),
        next: () => chunks,
      });
    },
  },
  {
    name: 'endless-header',
    what: 'a header field, and a URL, that do not end',
    run: (run) =>
      flood(run, {
        connections: 8,
        greeting: Buffer.from('GET /health?'),
        next: (step) => Buffer.from(step === 0 ? ' HTTP/1.1\r\nX: ' : 'x'.repeat(16_000)),
      }),
  },
  {
    name: 'pipelined-metrics',
    what: 'GET /metrics, thousands in one piece',
    run: (run) => {
      const many = Buffer.from('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(1000));
      return flood(run, { connections: 4, next: () => many, reads: true });
    },
  },
  {
    name: 'metrics',
    what: 'GET /metrics on 200 connections at a time',
    run: (run) => {
      const one = Buffer.from('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
      return flood(run, { connections: 200, next: () => one, reads: true, pauseMs: 50 });
    },
  },
  {
    name: 'pipelined-locks',
    what: 'requests in one piece behind one that waits for ever',
    run: (run) => {
      const lock = post('/v3/lock/lock', '{"name":"bG9jaw=="}');
      const many = Buffer.concat(Array.from({ length: 200 }, () => lock));
      return flood(run, { connections: 4, next: () => many, reads: true });
    },
  },
  {
    name: 'gateway-slow-list',
    what: 'ranges of 16 MB through the gateway, answers not read',
    largeKeys: 16,
    limits: { memoryMb: 1500 },
    run: (run) => flood(run, { connections: 100, greeting: post('/v3/kv/range', LARGE_RANGE), pauseMs: 5 }),
  },
  {
    name: 'gzip-body',
    what: 'bodies with Content-Encoding: gzip that would decompress to 64 MB',
    run: (run) => {
      const bomb = post('/v3/kv/put', gzipSync(Buffer.alloc(64_000_000)), 'Content-Encoding: gzip\r\n');
      return flood(run, { connections: 8, next: () => bomb, reads: true });
    },
  },
  bodyFlood('deep-json', 'arrays in arrays, 1,000,000 deep', () => '['.repeat(1_000_000)),
  bodyFlood('deep-txn-json', 'a Txn within a Txn, 9,000 deep', () => '{"success":[{"requestTxn":'.repeat(9000)),
  bodyFlood('json-tokens', 'a Txn of 500,000 empty operations', () => `{"success":[${'{},'.repeat(499_999)}{}]}`),
  bodyFlood('json-string', 'a value of 2 MB in base64', () => `{"compare":[{"key":"${'a'.repeat(2_600_000)}"}]}`),
  bodyFlood('json-unknown', 'a field of 2 MB that nobody knows', () => `{"nobody":[${'1,'.repeat(1_000_000)}1]}`),
  bodyFlood('json-fields', 'an object of 200,000 fields', () => `{${'"a":1,'.repeat(200_000)}"a":1}`),
  bodyFlood('json-number', 'a number of 2 MB', () => `{"compare":[{"version":${'1'.repeat(2_000_000)}}]}`),
  {
    name: 'too-large-body',
    what: 'bodies that do not end',
    run: (run) => {
      const bytes = Buffer.alloc(65_536, 'a');
      return flood(run, {
        connections: 4,
        greeting: Buffer.from('POST /v3/kv/put HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n"'),
        next: () => bytes,
      });
    },
  },
];
