/** Requests that are in order, and meant to cost the server more than the client. */
import { gzipSync } from 'node:zlib';
import {
  encodeLeaseGrantRequest,
  encodePutRequest,
  encodeRangeRequest,
  encodeTxnRequest,
  encodeWatchRequest,
  type TxnRequestInit,
} from '../../../src/gen/rpc.ts';
import { encodeLockRequest } from '../../../src/gen/v3lockpb.ts';
import { F, T, block, data, frame, headers, message } from '../../support/h2-frames.ts';
import type { Attack } from '../attack.ts';
import { flood } from '../flood.ts';
import {
  GREETING,
  GREETING_WITHOUT_WINDOW,
  GREETING_WITH_ALL_WINDOWS,
  PUT,
  RANGE,
  TXN,
  WATCH,
  batch,
  call,
  dataFrames,
  openCall,
  streamId,
} from '../grpc-wire.ts';

const LARGE_KEYS = encodeRangeRequest({ key: Buffer.from('large/'), rangeEnd: Buffer.from('large0') });
const EMPTY = new Uint8Array();

/** One message, however small, whose call is made again and again. */
function callFlood(
  name: string,
  what: string,
  path: string,
  make: () => Uint8Array,
  more: Partial<Attack> = {},
): Attack {
  return {
    name,
    what,
    ...more,
    run: (run) => {
      const request = make();
      return flood(run, {
        connections: 4,
        greeting: GREETING,
        reads: true,
        next: (step) => {
          const id = streamId(step);
          return Buffer.concat([headers(id, block(path)), ...dataFrames(id, message(request), F.EndStream)]);
        },
      });
    },
  };
}

/** Compressed as gRPC does, with the flag set. */
function compressed(request: Uint8Array): Buffer {
  const bytes = message(gzipSync(request, { level: 9 }));
  bytes[0] = 1;
  return bytes;
}

function nestedTxn(levels: number): Uint8Array {
  const heads: Buffer[] = [];
  let length = 0;
  for (let i = 0; i < levels; i++) {
    // TxnRequest.success (2) of RequestOp.request_txn (4), by hand: an encoder's stack is not what is tested.
    const inner = Buffer.concat([Buffer.from([0x22]), varint(length)]);
    length += inner.length;
    const outer = Buffer.concat([Buffer.from([0x12]), varint(length)]);
    length += outer.length;
    heads.push(inner, outer);
  }
  return Buffer.concat(heads.toReversed());
}

function varint(value: number): Buffer {
  const out: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) out.push((rest & 0x7f) | 0x80);
  return Buffer.from([...out, rest]);
}

/** `count` operations of two bytes each, without content. */
function emptyOps(count: number, tag: number): Buffer {
  const out = Buffer.alloc(2 * count);
  for (let i = 0; i < count; i++) out[2 * i] = tag;
  return out;
}

const watchCreate = (key: Buffer): Uint8Array => encodeWatchRequest({ createRequest: { key } });
const manyOps: TxnRequestInit = {
  success: Array.from({ length: 129 }, (_, i) => ({ requestPut: { key: Buffer.from(`op/${i}`) } })),
};

export const LOAD_ATTACKS: readonly Attack[] = [
  {
    name: 'zero-window-list',
    what: 'ranges of 16 MB whose client opens no window for the answers',
    largeKeys: 16,
    limits: { memoryMb: 1500 },
    run: (run) =>
      flood(run, {
        connections: 16,
        greeting: GREETING_WITHOUT_WINDOW,
        next: (step) => (step < 50 ? call(step, RANGE, LARGE_KEYS) : undefined),
        pauseMs: 5,
      }),
  },
  {
    name: 'slow-list-readers',
    what: 'ranges of 16 MB whose client opens all windows and reads nothing',
    largeKeys: 16,
    limits: { memoryMb: 1500 },
    run: (run) =>
      flood(run, {
        connections: 50,
        greeting: GREETING_WITH_ALL_WINDOWS,
        next: (step) => (step < 20 ? call(step, RANGE, LARGE_KEYS) : undefined),
        pauseMs: 5,
      }),
  },
  {
    name: 'range-streams',
    what: 'RangeStream of 16 MB, 1,000 at a time, answers not read',
    largeKeys: 16,
    limits: { memoryMb: 1500 },
    notOnEtcd: 'etcd 3.5 has no RangeStream',
    run: (run) =>
      flood(run, {
        connections: 20,
        greeting: GREETING_WITH_ALL_WINDOWS,
        next: (step) => (step < 50 ? call(step, '/etcdserverpb.KV/RangeStream', LARGE_KEYS) : undefined),
      }),
  },
  {
    name: 'snapshots',
    what: 'Snapshot, 200 at a time, answers not read',
    largeKeys: 16,
    limits: { memoryMb: 1500 },
    run: (run) =>
      flood(run, {
        connections: 20,
        greeting: GREETING_WITH_ALL_WINDOWS,
        next: (step) => (step < 10 ? call(step, '/etcdserverpb.Maintenance/Snapshot', EMPTY) : undefined),
      }),
  },
  callFlood('hash-kv', 'HashKV, as fast as it goes', '/etcdserverpb.Maintenance/HashKV', () => EMPTY, {
    largeKeys: 16,
  }),
  {
    name: 'defragment',
    what: 'Defragment, again and again',
    largeKeys: 16,
    notOnEtcd: 'etcd stops serving while it defragments',
    run: (run) =>
      flood(run, {
        connections: 4,
        greeting: GREETING,
        reads: true,
        pauseMs: 5,
        next: (step) => call(step, '/etcdserverpb.Maintenance/Defragment', EMPTY),
      }),
  },
  {
    name: 'watch-slow-readers',
    what: '200 watches on everything that read nothing, and puts of 100 kB',
    limits: { memoryMb: 1500 },
    run: async (run) => {
      const all = encodeWatchRequest({ createRequest: { key: Buffer.of(0), rangeEnd: Buffer.of(0) } });
      const watchers = flood(run, {
        connections: 20,
        greeting: GREETING_WITH_ALL_WINDOWS,
        next: (step) => (step < 10 ? openCall(step, WATCH, all) : undefined),
      });
      const put = encodePutRequest({ key: Buffer.from('watched'), value: Buffer.alloc(100_000, 'v') });
      const putter = flood(run, {
        connections: 1,
        greeting: GREETING,
        reads: true,
        pauseMs: 5,
        next: (step) => {
          const id = streamId(step);
          return Buffer.concat([headers(id, block(PUT)), ...dataFrames(id, message(put), F.EndStream)]);
        },
      });
      await Promise.all([watchers, putter]);
    },
  },
  {
    name: 'watch-creates',
    what: 'watches on one stream, as many as go',
    limits: { memoryMb: 800 },
    run: (run) =>
      flood(run, {
        connections: 2,
        greeting: GREETING,
        reads: true,
        next: (step) =>
          step === 0
            ? headers(1, block(WATCH))
            : batch(step, 200, (n) => data(1, message(watchCreate(Buffer.from(`w${n}`))), 0)),
      }),
  },
  {
    name: 'watch-large-keys',
    what: 'watches on keys of 1 MB',
    limits: { memoryMb: 800 },
    run: (run) =>
      flood(run, {
        connections: 2,
        greeting: GREETING,
        reads: true,
        next: (step) =>
          step === 0
            ? headers(1, block(WATCH))
            : Buffer.concat(dataFrames(1, message(watchCreate(Buffer.alloc(1_000_000, step))))),
      }),
  },
  callFlood('leases', 'LeaseGrant, as fast as it goes', '/etcdserverpb.Lease/LeaseGrant', () =>
    encodeLeaseGrantRequest({ TTL: 3600 }),
  ),
  {
    name: 'lock-waiters',
    what: 'clients that wait for a lock that somebody has',
    run: (run) =>
      flood(run, {
        connections: 4,
        greeting: GREETING,
        reads: true,
        pauseMs: 1,
        next: (step) =>
          batch(step, 5, (n) => call(n, '/v3lockpb.Lock/Lock', encodeLockRequest({ name: Buffer.from('lock') }))),
      }),
  },
  {
    name: 'gzip-bomb',
    what: 'messages of 64 kB that decompress to 64 MB',
    run: (run) => {
      const bomb = compressed(Buffer.alloc(64_000_000));
      const small = block(PUT, { 'grpc-encoding': 'gzip' });
      return flood(run, {
        connections: 4,
        greeting: GREETING,
        reads: true,
        next: (step) =>
          Buffer.concat([headers(streamId(step), small), ...dataFrames(streamId(step), bomb, F.EndStream)]),
      });
    },
  },
  {
    name: 'gzip-within-limits',
    what: 'messages of 2 kB that decompress to 1.9 MB, just what is allowed',
    run: (run) => {
      const bomb = compressed(Buffer.alloc(1_900_000));
      const small = block(PUT, { 'grpc-encoding': 'gzip' });
      return flood(run, {
        connections: 4,
        greeting: GREETING,
        reads: true,
        next: (step) =>
          batch(step, 20, (n) =>
            Buffer.concat([headers(streamId(n), small), ...dataFrames(streamId(n), bomb, F.EndStream)]),
          ),
      });
    },
  },
  callFlood('deep-txn', 'a Txn within a Txn, 50,000 levels deep', TXN, () => nestedTxn(50_000)),
  callFlood('allowed-depth-txn', 'a Txn within a Txn, as deep as it may be', TXN, () => nestedTxn(48)),
  callFlood('txn-of-a-million', 'a Txn of 1,000,000 operations of two bytes', TXN, () => emptyOps(1_000_000, 0x12)),
  callFlood('txn-compares', 'a Txn of 1,000,000 comparisons of two bytes', TXN, () => emptyOps(1_000_000, 0x0a)),
  callFlood('txn-ops', 'a Txn of one operation too many', TXN, () => encodeTxnRequest(manyOps)),
  callFlood('members-of-nothing', 'MemberAdd with 1,000,000 URLs', '/etcdserverpb.Cluster/MemberAdd', () =>
    emptyOps(1_000_000, 0x0a),
  ),
  callFlood('malformed-protobuf', 'bytes that are no message', PUT, () => Buffer.alloc(100_000, 0xff)),
  callFlood(
    'large-key',
    'puts whose key is as large as a request may be',
    PUT,
    () => encodePutRequest({ key: Buffer.alloc(1_500_000, 'k') }),
    {
      limits: { memoryMb: 1500 },
    },
  ),
  {
    name: 'huge-message',
    what: 'messages that announce 4 GB',
    run: (run) => {
      const prefix = Buffer.from([0, 0xff, 0xff, 0xff, 0xff]);
      return flood(run, {
        connections: 8,
        greeting: GREETING,
        reads: true,
        next: (step) =>
          batch(step, 50, (n) =>
            Buffer.concat([
              headers(streamId(n), block(PUT)),
              data(streamId(n), Buffer.concat([prefix, Buffer.alloc(1000)]), 0),
            ]),
          ),
      });
    },
  },
  {
    name: 'unfinished-messages',
    what: 'messages of 2 MB that lack their last byte, on as many streams as go',
    limits: { memoryMb: 1500 },
    run: (run) => {
      const bytes = message(Buffer.alloc(2_000_000)).subarray(0, -1);
      return flood(run, {
        connections: 8,
        greeting: GREETING,
        reads: true,
        next: (step) => Buffer.concat([headers(streamId(step), block(PUT)), ...dataFrames(streamId(step), bytes)]),
      });
    },
  },
  {
    name: 'keepalive-flood',
    what: 'LeaseKeepAlive requests of one byte each, answers not read',
    run: (run) => {
      const many = Buffer.concat(Array.from({ length: 1000 }, () => message(Buffer.from([8, 1]))));
      return flood(run, {
        connections: 8,
        greeting: GREETING,
        next: (step) =>
          step === 0 ? headers(1, block('/etcdserverpb.Lease/LeaseKeepAlive')) : frame(T.Data, 0, 1, many),
      });
    },
  },
  {
    name: 'login-storm',
    what: 'logins with names and passwords that change, and are long',
    isAuth: true,
    run: (run) =>
      flood(run, {
        connections: 8,
        greeting: GREETING,
        reads: true,
        next: (step) =>
          batch(step, 20, (n) => {
            // AuthenticateRequest: name 1, password 2.
            const name = Buffer.from(n % 2 === 0 ? 'root' : `user${n}`);
            const password = Buffer.from(`guess${n}${'x'.repeat(2000)}`);
            const request = Buffer.concat([
              Buffer.from([0x0a]),
              varint(name.length),
              name,
              Buffer.from([0x12]),
              varint(password.length),
              password,
            ]);
            return call(n, '/etcdserverpb.Auth/Authenticate', request);
          }),
      }),
  },
];
