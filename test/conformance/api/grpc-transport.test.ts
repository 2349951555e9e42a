/** What a gRPC library of a client never sends, or hides: requests byte by byte, and how the server answers them. */
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, test, vi } from 'vitest';
import { HpackDecoder } from '../../../src/rpc/h2/hpack-decoder.ts';
import { until } from '../../support/until.ts';
import { describeTargets, type TargetGetter } from '../../support/target.ts';
import {
  data,
  E,
  F,
  field,
  type Frame,
  frame,
  FrameClient,
  headers,
  message,
  T,
} from '../rpc-transport/frame-client.ts';

vi.setConfig({ testTimeout: 60_000 });

const RANGE = '/etcdserverpb.KV/Range';
const WATCH = '/etcdserverpb.Watch/Watch';
/** A RangeRequest for the key `a`, and a WatchRequest that creates a watch on it. */
const RANGE_A = Buffer.from([0x0a, 1, 0x61]);
const WATCH_A = Buffer.from([0x0a, 3, 0x0a, 1, 0x61]);

interface Answer {
  readonly http: string | undefined;
  readonly code: string | undefined;
  readonly message: string | undefined;
  /** RST_STREAM with another code than NO_ERROR. */
  readonly reset: number | undefined;
}

type Changes = Record<string, string | undefined>;

/** The headers of a call; those that begin with a colon have to come first. */
function request(path: string, changes: Changes): Buffer {
  const all: Changes = {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'localhost',
    'content-type': 'application/grpc',
    te: 'trailers',
    ...changes,
  };
  const fields = Object.entries(all).flatMap(([name, value]) => (value === undefined ? [] : [field(name, value)]));
  return Buffer.concat(fields);
}

/** A call on a connection of its own. */
async function call(target: TargetGetter, path: string, changes: Changes, body: Uint8Array): Promise<Answer> {
  const client = await FrameClient.connect(target().server.clientPort);
  try {
    client.send(headers(1, request(path, changes)), data(1, body));
    await client.find((frame) => frame.streamId === 1 && (isEnd(frame) || isReset(frame)));
    return answerIn(client.frames);
  } finally {
    client.socket.destroy();
  }
}

const isEnd = ({ type, flags }: Frame): boolean => type <= T.Headers && (flags & F.EndStream) !== 0;
const isReset = ({ type, payload }: Frame): boolean => type === T.RstStream && payload.readUInt32BE() !== E.NoError;

function answerIn(frames: readonly Frame[]): Answer {
  const decoder = new HpackDecoder();
  const blocks = frames
    .filter(({ type }) => type === T.Headers)
    .map(({ payload }) => decoder.decode(payload, 0, payload.length));
  const found = (name: string): string | undefined =>
    blocks.map((fields) => fields.get(name)).findLast((value) => value !== undefined);
  const text = found('grpc-message');
  const reset = frames.find(isReset);
  return {
    http: found(':status'),
    code: found('grpc-status'),
    message: text === undefined || text === '' ? undefined : decodeURIComponent(text),
    reset: reset?.payload.readUInt32BE(),
  };
}

const refused = (http: string, code: string, text: string): Answer => ({ http, code, message: text, reset: undefined });
const OK: Answer = { http: '200', code: '0', message: undefined, reset: undefined };
const RESET: Answer = { http: undefined, code: undefined, message: undefined, reset: E.Protocol };

describeTargets('a gRPC request', (target) => {
  const range = (changes: Changes, body: Uint8Array = message(RANGE_A)): Promise<Answer> =>
    call(target, RANGE, changes, body);

  test.each([
    ['/etcdserverpb.KV/Nope', 'unknown method Nope for service etcdserverpb.KV'],
    ['/etcdserverpb.KV/', 'unknown method  for service etcdserverpb.KV'],
    ['/foo.Bar/Baz', 'unknown service foo.Bar'],
    ['/a/b/c', 'unknown service a/b'],
    ['//', 'unknown service '],
    ['/foo', 'malformed method name: "/foo"'],
    ['foo/bar', 'malformed method name: "foo/bar"'],
    ['/', 'malformed method name: "/"'],
  ])('to %s is not implemented', async (path, text) => {
    expect(await call(target, path, {}, message(RANGE_A))).toEqual(refused('200', '12', text));
  });

  test.each([
    ['', 'transport: timeout string is too short: ""'],
    ['S', 'transport: timeout string is too short: "S"'],
    ['123456789m', 'transport: timeout string is too long: "123456789m"'],
    ['1s', 'transport: timeout unit is not recognized: "1s"'],
    ['-1S', 'strconv.ParseUint: parsing "-1": invalid syntax'],
    [' 1S', 'strconv.ParseUint: parsing " 1": invalid syntax'],
  ])('with the timeout %j is malformed', async (timeout, text) => {
    expect(await range({ 'grpc-timeout': timeout })).toEqual(refused('400', '13', `malformed grpc-timeout: ${text}`));
  });

  test.each(['0m', '1n'])('with the timeout %s comes too late', async (timeout) => {
    expect(await range({ 'grpc-timeout': timeout })).toEqual(refused('200', '4', 'context deadline exceeded'));
    const watch = await call(target, WATCH, { 'grpc-timeout': timeout }, message(WATCH_A));
    expect(watch).toEqual(refused('200', '4', 'context deadline exceeded'));
  });

  test.each(['99999999H', '00000005S', '9000000u'])('with the timeout %s is served', async (timeout) => {
    expect(await range({ 'grpc-timeout': timeout })).toEqual(OK);
  });

  test.each(['application/grpc+proto', 'application/grpc;charset=utf-8'])('of type %s is served', async (type) => {
    expect(await range({ 'content-type': type })).toEqual(OK);
  });

  test.each(['application/grpcx', 'APPLICATION/GRPC', 'application/json', undefined])(
    'of type %s is none',
    async (type) => {
      const text = `invalid gRPC request content-type ${JSON.stringify(type ?? '')}`;
      expect(await range({ 'content-type': type })).toEqual(refused('415', '3', text));
    },
  );

  test('that is no POST is refused', async () => {
    const text = 'Received a HEADERS frame with :method "PUT" which should be POST';
    expect(await range({ ':method': 'PUT' })).toEqual(refused('405', '13', text));
  });

  const gzip = { 'grpc-encoding': 'gzip' };
  /** A message that claims to be compressed. */
  function flagged(bytes: Uint8Array, flag = 1): Buffer {
    const out = message(bytes);
    out[0] = flag;
    return out;
  }

  test.each<[string, Changes, Uint8Array, Answer]>([
    ['is', gzip, flagged(gzipSync(RANGE_A)), OK],
    ['could be and is not', gzip, message(RANGE_A), OK],
    [
      'is not, although it says so,',
      gzip,
      flagged(RANGE_A),
      refused('200', '13', 'grpc: failed to decompress the message: unexpected EOF'),
    ],
    [
      'is garbage',
      gzip,
      flagged(Buffer.alloc(50, 'garbage')),
      refused('200', '13', 'grpc: failed to decompress the message: gzip: invalid header'),
    ],
    [
      'is, without saying how,',
      {},
      flagged(gzipSync(RANGE_A)),
      refused('200', '13', 'grpc: compressed flag set with identity or empty encoding'),
    ],
    [
      'is, in an unknown way,',
      { 'grpc-encoding': 'lzma' },
      flagged(RANGE_A),
      refused('200', '12', 'grpc: Decompressor is not installed for grpc-encoding "lzma"'),
    ],
    [
      'could be, in an unknown way,',
      { 'grpc-encoding': 'lzma' },
      message(RANGE_A),
      refused('200', '12', 'grpc: Decompressor is not installed for grpc-encoding "lzma"'),
    ],
    [
      'has an unknown flag',
      gzip,
      flagged(RANGE_A, 2),
      refused('200', '13', 'grpc: received unexpected payload format 2'),
    ],
  ])('whose message %s compressed', async (_how, changes, body, answer) => {
    expect(await range(changes, body)).toEqual(answer);
  });

  test('that unpacks to more than the limit is refused', async () => {
    const { code, message: text } = await range(gzip, flagged(gzipSync(Buffer.alloc(3_000_000))));
    expect([code, text]).toEqual(['8', 'grpc: received message after decompression larger than max 2097152']);
  });

  test.each<[string, Changes]>([
    ['no :authority', { ':authority': undefined }],
    ['a host in its place', { ':authority': undefined, host: 'h' }],
    ['both', { host: 'other' }],
    ['any name in it', { ':authority': 'evil.example:99' }],
    ['an empty one', { ':authority': '' }],
    ['no te', { te: undefined }],
    ['the scheme https', { ':scheme': 'https' }],
    ['a user agent', { 'user-agent': 'grpc-node/1 (linux)' }],
    ['headers of gRPC that mean nothing', { 'grpc-foo': 'x', 'grpc-accept-encoding': 'gzip,identity' }],
    ['binary metadata', { 'x-bin': 'AAEC', 'y-bin': 'AA', 'z-bin': 'AA==' }],
    ['hasleader', { hasleader: 'true' }],
  ])('with %s is served', async (_what, changes) => {
    expect(await range(changes)).toEqual(OK);
  });

  test.each([
    ['@@@', 0],
    ['AA@A', 2],
  ])('with the binary metadata %s is malformed', async (value, at) => {
    const text = `malformed binary metadata "${value}" in header "x-bin": illegal base64 data at input byte ${at}`;
    expect(await range({ 'x-bin': value })).toEqual(refused('400', '13', text));
  });

  test.each<[string, Changes]>([
    ['connection: close', { connection: 'close' }],
    ['a control character', { 'x-odd': '\x01' }],
    ['a name in upper case', { 'X-Odd': 'x' }],
  ])('with %s is a protocol error', async (_what, changes) => {
    expect(await range(changes)).toEqual(RESET);
  });

  test('counts for the version that its client claims', async () => {
    const counted = async (): Promise<string[]> => {
      const text = await (await fetch(`${target().server.clientUrl}/metrics`)).text();
      return text.split('\n').filter((line) => /^etcd_server_client_requests_total\{.*"9\.\d"/.test(line));
    };
    await range({ 'client-api-version': '9.1' });
    await range({ 'client-api-version': '9.1' });
    await call(target, WATCH, { 'client-api-version': '9.2', 'grpc-timeout': '300m' }, message(WATCH_A));
    expect((await counted()).sort()).toEqual([
      'etcd_server_client_requests_total{client_api_version="9.1",type="unary"} 2',
      'etcd_server_client_requests_total{client_api_version="9.2",type="stream"} 1',
    ]);
  });
});

const LIMITS = [
  '--max-concurrent-streams=2',
  '--grpc-keepalive-min-time=1s',
  '--grpc-keepalive-interval=1s',
  '--grpc-keepalive-timeout=1s',
];

describeTargets(
  'a gRPC connection',
  (target) => {
    const PING = frame(T.Ping, 0, 0, Buffer.alloc(8));
    const connect = (): Promise<FrameClient> => FrameClient.connect(target().server.clientPort);
    const openWatch = (client: FrameClient, id: number): void =>
      client.send(headers(id, request(WATCH, {})), data(id, message(WATCH_A), 0));
    const goaways = (client: FrameClient): Frame[] => client.frames.filter(({ type }) => type === T.Goaway);

    test.concurrent('is told how many streams it may open, and refused one more', async () => {
      const client = await connect();
      const { payload } = await client.find(({ type, flags }) => type === T.Settings && (flags & F.Ack) === 0);
      const pairs = Array.from({ length: payload.length / 6 }, (_, i) => [
        payload.readUInt16BE(6 * i),
        payload.readUInt32BE(6 * i + 2),
      ]);
      expect(pairs).toContainEqual([3, 2]);
      for (const id of [1, 3, 5]) openWatch(client, id);
      expect(await client.rst(5)).toBe(E.RefusedStream);
      client.socket.destroy();
    });

    test.concurrent('that is idle is pinged, and dropped when it does not answer', async () => {
      const client = await connect();
      await vi.waitFor(() => client.find(({ type, flags }) => type === T.Ping && (flags & F.Ack) === 0), 20_000);
      await until('the end of the connection', () => Promise.resolve(client.isClosed));
      expect(goaways(client)).toEqual([]);
    });

    /** Answers the server's pings, so that only those of the client count. */
    function answerPings(client: FrameClient): () => void {
      let seen = 0;
      const timer = setInterval(() => {
        for (; seen < client.frames.length; seen++) {
          const { type, flags, payload } = client.frames[seen] as Frame;
          if (type === T.Ping && (flags & F.Ack) === 0) client.send(frame(T.Ping, F.Ack, 0, payload));
        }
      }, 20);
      return () => clearInterval(timer);
    }

    describe('that pings too often', () => {
      test.concurrent.each(['without', 'with'])('%s streams is sent away', async (how) => {
        const client = await connect();
        const stop = answerPings(client);
        if (how === 'with') openWatch(client, 1);
        for (let i = 0; i < 40 && goaways(client).length === 0; i++) {
          client.send(PING);
          await sleep(20);
        }
        const [goaway] = goaways(client);
        expect(goaway?.payload.readUInt32BE(4)).toBe(E.EnhanceYourCalm);
        expect(goaway?.payload.subarray(8).toString()).toBe('too_many_pings');
        stop();
        client.socket.destroy();
      });
    });

    test.concurrent('that pings at the allowed pace stays, as long as it has a stream', async () => {
      const client = await connect();
      const stop = answerPings(client);
      openWatch(client, 1);
      for (let i = 0; i < 4; i++) {
        await sleep(1200);
        client.send(PING);
      }
      await sleep(100);
      expect(goaways(client)).toEqual([]);
      expect(client.isClosed).toBe(false);
      stop();
      client.socket.destroy();
    });

    test('is told when the server stops, and ended', async () => {
      const client = await connect();
      const stop = answerPings(client);
      openWatch(client, 1);
      await client.find(({ type, streamId }) => type === T.Data && streamId === 1);
      target().server.signal('SIGTERM');
      await target().server.exited();
      await expect.poll(() => client.isClosed).toBe(true);
      const [goaway] = goaways(client);
      expect(goaway?.payload.readUInt32BE(4)).toBe(E.NoError);
      expect(goaway?.payload.subarray(8).toString()).toBe('graceful_stop');
      stop();
    });
  },
  { flags: LIMITS },
);
