/** RFC 9113 by the frame: what the h2 transport must answer to each way a client can be right or wrong. */

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { H2Transport } from '../../../src/rpc/h2/h2-transport.ts';
import { startEchoServer, uint32s } from './echo-server.ts';
import type { EchoServer, EchoServerOptions } from './echo-server.ts';
import type { Frame } from './frame-client.ts';
import {
  E,
  F,
  FrameClient,
  PREFACE,
  T,
  block,
  data,
  field,
  frame,
  headers,
  message,
  settings,
  uint32,
} from './frame-client.ts';

describe('h2 transport, frame by frame', () => {
  let server: EchoServer;
  const clients: FrameClient[] = [];

  const restart = async (options: EchoServerOptions): Promise<void> => {
    await server.stop(10);
    server = await startEchoServer((all) => new H2Transport(all), options);
  };
  const connect = async (greeting?: Uint8Array): Promise<FrameClient> => {
    const client = await FrameClient.connect(server.port, greeting);
    clients.push(client);
    return client;
  };
  /** The connection's error code after these frames. */
  const goawayAfter = async (...frames: Uint8Array[]): Promise<number> => {
    const client = await connect();
    client.send(...frames);
    return (await client.goaway())[0];
  };
  /** The error code of the stream after these frames; the connection must live on. */
  const rstAfter = async (streamId: number, ...frames: Uint8Array[]): Promise<number> => {
    const client = await connect();
    client.send(...frames);
    const code = await client.rst(streamId);
    client.send(headers(streamId + 100), data(streamId + 100));
    await client.end(streamId + 100);
    return code;
  };

  beforeEach(async () => {
    server = await startEchoServer((options) => new H2Transport(options));
  });
  afterEach(async () => {
    for (const client of clients.splice(0)) client.socket.destroy();
    await server.stop(10);
    const bugs = server.logged.filter(({ message: text }) => text === 'gRPC connection failed');
    if (bugs.length > 0) throw new Error(JSON.stringify(bugs));
  });

  describe('the start', () => {
    it('sends SETTINGS first and acknowledges ours', async () => {
      const client = await connect();
      await client.find(({ type, flags }) => type === T.Settings && flags === F.Ack);
      expect(client.frames[0]).toMatchObject({ type: T.Settings, flags: 0, streamId: 0 });
    });

    it('refuses a wrong preface and a first frame that is not SETTINGS', async () => {
      const wrong = await connect(Buffer.from('PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n'));
      expect((await wrong.goaway())[0]).toBe(E.Protocol);
      const eager = await connect(Buffer.concat([PREFACE, headers(1)]));
      expect((await eager.goaway())[0]).toBe(E.Protocol);
    });

    it('refuses SETTINGS that are wrong', async () => {
      expect(await goawayAfter(frame(T.Settings, 0, 1))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.Settings, F.Ack, 0, [0]))).toBe(E.FrameSize);
      expect(await goawayAfter(frame(T.Settings, 0, 0, [0, 0, 0]))).toBe(E.FrameSize);
      expect(await goawayAfter(settings([2, 2]))).toBe(E.Protocol);
      expect(await goawayAfter(settings([4, 0x8000_0000]))).toBe(E.FlowControl);
      expect(await goawayAfter(settings([5, 16383]))).toBe(E.Protocol);
      expect(await goawayAfter(settings([5, 0x1_000_000]))).toBe(E.Protocol);
    });

    it('ignores settings and frame types it does not know', async () => {
      const client = await connect();
      client.send(settings([0xff, 1]), frame(0xee, 0xff, 0, [1, 2, 3]), frame(0x16, 0, 77, [1]), headers(1), data(1));
      await client.end(1);
      expect(client.body(1)).toEqual(message('hi'));
    });
  });

  describe('frames', () => {
    it('takes padding and priority', async () => {
      const client = await connect();
      const padded = Buffer.concat([Buffer.from([3, 0, 0, 0, 0, 200]), block(), Buffer.alloc(3)]);
      client.send(headers(1, padded, F.EndHeaders | F.Padded | F.Priority));
      client.send(data(1, Buffer.concat([Buffer.from([4]), message('hi'), Buffer.alloc(4)]), F.EndStream | F.Padded));
      await client.end(1);
      expect(client.body(1)).toEqual(message('hi'));
      client.send(frame(T.Priority, 0, 5, [0, 0, 0, 1, 9]), headers(5), data(5));
      await client.end(5);
    });

    it('refuses padding that does not fit', async () => {
      expect(await goawayAfter(headers(1), data(1, Buffer.from([8, 1, 2]), F.Padded))).toBe(E.Protocol);
      expect(await goawayAfter(headers(1, Buffer.from([200, 1, 2]), F.EndHeaders | F.Padded))).toBe(E.Protocol);
      expect(await goawayAfter(headers(1), data(1, Buffer.alloc(0), F.Padded))).toBe(E.FrameSize);
    });

    it('refuses frames of the wrong size', async () => {
      expect(await goawayAfter(headers(1), data(1, Buffer.alloc(16385)))).toBe(E.FrameSize);
      expect(await goawayAfter(frame(T.Ping, 0, 0, [1, 2, 3]))).toBe(E.FrameSize);
      expect(await goawayAfter(headers(1), frame(T.RstStream, 0, 1, [1]))).toBe(E.FrameSize);
      expect(await goawayAfter(frame(T.WindowUpdate, 0, 0, [1]))).toBe(E.FrameSize);
      expect(await goawayAfter(frame(T.Goaway, 0, 0, [1]))).toBe(E.FrameSize);
      expect(await goawayAfter(headers(1, Buffer.from([1, 2]), F.EndHeaders | F.Priority))).toBe(E.FrameSize);
      expect(await rstAfter(1, headers(1), frame(T.Priority, 0, 1, [1]))).toBe(E.FrameSize);
    });

    it('refuses frames on streams they do not belong to', async () => {
      expect(await goawayAfter(data(0))).toBe(E.Protocol);
      expect(await goawayAfter(headers(0))).toBe(E.Protocol);
      expect(await goawayAfter(headers(2))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.Priority, 0, 0, [0, 0, 0, 0, 0]))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.RstStream, 0, 0, uint32(0)))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.Ping, 0, 1, Buffer.alloc(8)))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.Goaway, 0, 1, Buffer.alloc(8)))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.PushPromise, F.EndHeaders, 1, Buffer.alloc(4)))).toBe(E.Protocol);
    });

    it('refuses frames on idle streams', async () => {
      expect(await goawayAfter(data(1))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.RstStream, 0, 1, uint32(0)))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.WindowUpdate, 0, 1, uint32(1)))).toBe(E.Protocol);
    });

    it('refuses frames on streams that the client has ended', async () => {
      expect(await rstAfter(1, headers(1, block('/t.Echo/Hold')), data(1), data(1))).toBe(E.StreamClosed);
      expect(await rstAfter(1, headers(1, block('/t.Echo/Hold')), data(1), headers(1))).toBe(E.StreamClosed);
    });

    it('refuses frames on closed streams, new streams out of order, and self-dependency', async () => {
      const client = await connect();
      client.send(headers(5), data(5));
      await client.end(5);
      client.send(frame(T.WindowUpdate, 0, 5, uint32(1)), frame(T.RstStream, 0, 5, uint32(8)), data(5));
      expect(await client.rst(5)).toBe(E.StreamClosed);
      client.send(headers(3));
      expect((await client.goaway())[0]).toBe(E.StreamClosed);
      const dependent = Buffer.concat([Buffer.from([0, 0, 0, 1, 5]), block('/t.Echo/Hold')]);
      expect(await rstAfter(1, headers(1, dependent, F.EndHeaders | F.Priority))).toBe(E.Protocol);
      expect(await rstAfter(1, headers(1), frame(T.Priority, 0, 1, [0, 0, 0, 1, 5]))).toBe(E.Protocol);
    });

    it('answers PING with the same eight bytes and leaves answers alone', async () => {
      const client = await connect();
      client.send(frame(T.Ping, F.Ack, 0, Buffer.alloc(8)));
      await client.sync();
      expect(client.frames.filter(({ type }) => type === T.Ping)).toHaveLength(1);
    });
  });

  describe('header blocks', () => {
    it('come in as many frames as the client likes', async () => {
      const client = await connect();
      const whole = block();
      client.send(headers(1, whole.subarray(0, 1), 0));
      for (let i = 1; i < whole.length; i += 7) client.send(frame(T.Continuation, 0, 1, whole.subarray(i, i + 7)));
      client.send(frame(T.Continuation, F.EndHeaders, 1), data(1));
      await client.end(1);
      expect(client.body(1)).toEqual(message('hi'));
    });

    it('are not interrupted', async () => {
      expect(await goawayAfter(headers(1, block(), 0), data(1))).toBe(E.Protocol);
      expect(await goawayAfter(headers(1, block(), 0), frame(0xee, 0, 0))).toBe(E.Protocol);
      expect(await goawayAfter(headers(1, block(), 0), frame(T.Continuation, F.EndHeaders, 3))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.Continuation, F.EndHeaders, 1, block()))).toBe(E.Protocol);
      expect(await goawayAfter(headers(1), frame(T.Continuation, F.EndHeaders, 1))).toBe(E.Protocol);
    });

    it('that cannot be decoded end the connection', async () => {
      const bad = [
        [0x80],
        [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
        [0xc0],
        [0x3f, 0xe2, 0x1f],
        [0x82, 0x20],
        [0x00, 0x05, 0x61],
        [0x00, 0x81, 0x00, 0x00],
        [0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00],
        [0x40],
      ];
      for (const bytes of bad)
        expect([bytes, await goawayAfter(headers(1, Buffer.from(bytes)))]).toEqual([bytes, E.Compression]);
    });

    it('that are malformed end the stream', async () => {
      const malformed = [
        block('/x', { ':method': undefined }),
        block('/x', { ':scheme': undefined }),
        block('/x', { ':path': undefined }),
        block(''),
        Buffer.concat([block(), field(':authority', 'late')]),
        Buffer.concat([field(':method', 'POST'), block()]),
        Buffer.concat([field(':status', '200'), block()]),
        block('/x', { 'Upper-Case': 'x' }),
        block('/x', { connection: 'close' }),
        block('/x', { te: 'gzip' }),
        block('/x', { '': 'nameless' }),
      ];
      for (const bytes of malformed) expect(await rstAfter(1, headers(1, bytes))).toBe(E.Protocol);
    });

    it('as trailers end the request; other second blocks are malformed', async () => {
      const client = await connect();
      client.send(headers(1), data(1, message('hi'), 0), headers(1, field('x', 'y'), F.EndHeaders | F.EndStream));
      await client.end(1);
      expect(client.body(1)).toEqual(message('hi'));
      expect(await rstAfter(1, headers(1), headers(1, field('x', 'y')))).toBe(E.Protocol);
      expect(await rstAfter(1, headers(1), headers(1, field(':path', '/'), F.EndHeaders | F.EndStream))).toBe(
        E.Protocol,
      );
    });

    it('that are too large get 431, and the dynamic table stays in step', async () => {
      const client = await connect();
      const indexed = Buffer.concat([Buffer.from([0x40]), field('x-kept', 'yes').subarray(1)]);
      const many = Buffer.concat([
        block(),
        indexed,
        ...Array.from({ length: 5 }, () => field('x-big', 'y'.repeat(15_000))),
      ]);
      client.send(headers(1, many.subarray(0, 16000), F.EndStream));
      for (let i = 16000; i < many.length; i += 16000) {
        const isLast = i + 16000 >= many.length;
        client.send(frame(T.Continuation, isLast ? F.EndHeaders : 0, 1, many.subarray(i, i + 16000)));
      }
      const { payload } = await client.end(1);
      expect(payload.toString('latin1')).toContain('431');
      client.send(
        headers(3, Buffer.concat([block('/t.Echo/Metadata'), Buffer.from([0x80 + 62])])),
        data(3, message('x-kept')),
      );
      await client.end(3);
      expect(client.body(3).subarray(5).toString()).toMatch(/^\["yes",/);
    });

    it('with another method than POST get 405', async () => {
      const client = await connect();
      client.send(headers(1, block('/t.Echo/Now', { ':method': 'GET' }), F.EndHeaders | F.EndStream));
      expect((await client.end(1)).payload.toString('latin1')).toContain('405');
    });

    it('with a malformed grpc-timeout get Internal', async () => {
      const client = await connect();
      client.send(headers(1, block('/t.Echo/Now', { 'grpc-timeout': '1week' })));
      const { payload } = await client.end(1);
      expect(payload.toString('latin1')).toContain('timeout unit is not recognized: "1week"');
      expect(payload.toString('latin1')).toContain('grpc-status\x0213');
    });
  });

  describe('flow control', () => {
    it('keeps to the window of the stream, also when it is a byte, closed, or reduced', async () => {
      const client = await connect(Buffer.concat([PREFACE, settings([4, 1])]));
      client.send(headers(1), data(1, message('0123456789')));
      await client.sync();
      expect(client.body(1)).toHaveLength(1);
      client.send(settings([4, 5]));
      await client.sync();
      expect(client.body(1)).toHaveLength(5);
      client.send(settings([4, 2]), frame(T.WindowUpdate, 0, 1, uint32(3)));
      await client.sync();
      expect(client.body(1)).toHaveLength(5);
      client.send(frame(T.WindowUpdate, 0, 1, uint32(100)));
      await client.end(1);
      expect(client.body(1)).toEqual(message('0123456789'));
    });

    it('keeps to the window of the connection and shares it', async () => {
      const client = await connect(Buffer.concat([PREFACE, settings([4, 1_000_000])]));
      client.send(headers(1, block('/t.Echo/Count')), data(1, message(uint32s(1, 100_000))));
      client.send(headers(3, block('/t.Echo/Count')), data(3, message(uint32s(1, 100_000))));
      await client.sync();
      await sleep(20);
      const received = (): number => client.body(1).length + client.body(3).length;
      expect(received()).toBe(65_535);
      client.send(frame(T.WindowUpdate, 0, 0, uint32(60_000)));
      await vi.waitFor(() => expect(received()).toBe(125_535));
      expect(client.body(1).length).toBeGreaterThan(30_000);
      expect(client.body(3).length).toBeGreaterThan(30_000);
      client.send(frame(T.WindowUpdate, 0, 0, uint32(1_000_000)));
      await client.end(1);
      await client.end(3);
      expect(received()).toBe(2 * 100_009);
    });

    it('refuses windows that are no windows', async () => {
      expect(await goawayAfter(frame(T.WindowUpdate, 0, 0, uint32(0)))).toBe(E.Protocol);
      expect(await goawayAfter(frame(T.WindowUpdate, 0, 0, uint32(0x7fff_ffff)))).toBe(E.FlowControl);
      const open = headers(1, block('/t.Echo/Hold'));
      expect(await rstAfter(1, open, frame(T.WindowUpdate, 0, 1, uint32(0)))).toBe(E.Protocol);
      expect(await rstAfter(1, open, frame(T.WindowUpdate, 0, 1, uint32(0x7fff_ffff)))).toBe(E.FlowControl);
      const widened = [settings([4, 0x7fff_ffff]), open, frame(T.WindowUpdate, 0, 1, uint32(0))];
      expect(await rstAfter(1, ...widened)).toBe(E.Protocol);
      expect(await goawayAfter(open, frame(T.WindowUpdate, 0, 1, uint32(100_000)), settings([4, 0x7fff_ffff]))).toBe(
        E.FlowControl,
      );
    });

    it('resets a stream that sends more than its window', async () => {
      const client = await connect();
      client.send(headers(1, block('/t.Echo/Paused')));
      await vi.waitFor(() => expect(server.streams).toHaveLength(1));
      const big = message(Buffer.alloc(16_000));
      for (let i = 0; i < 70; i++) client.send(data(1, big, 0));
      expect(await client.rst(1)).toBe(E.FlowControl);
      await vi.waitFor(() => expect(server.cancelled).toEqual(['/t.Echo/Paused']));
    });

    it('gives the window back for streams that are read, and for data of streams that are gone', async () => {
      await restart({ keepaliveMinTimeMs: 0 });
      const client = await connect();
      client.send(headers(1, block('/t.Echo/Chat')), headers(3, block('/t.Nope/Nope')));
      const big = message(Buffer.alloc(16_000));
      client.send(frame(T.WindowUpdate, 0, 0, uint32(0x7000_0000)), frame(T.WindowUpdate, 0, 1, uint32(0x7000_0000)));
      for (let i = 0; i < 1000; i++) {
        client.send(data(1, big, 0), data(3, big, 0));
        if (i % 50 === 49) await client.sync();
      }
      await client.sync();
      const updates = (streamId: number): number =>
        client.frames
          .filter(({ type, streamId: id }) => type === T.WindowUpdate && id === streamId)
          .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
      expect(updates(1)).toBeGreaterThan(14_000_000);
      expect(updates(0)).toBeGreaterThan(28_000_000);
      expect(client.isClosed).toBe(false);
    });
  });

  describe('streams', () => {
    it('beyond max-concurrent-streams are refused, and room comes back', async () => {
      await restart({ maxConcurrentStreams: 2 });
      const client = await connect();
      client.send(headers(1, block('/t.Echo/Hold')), data(1), headers(3, block('/t.Echo/Hold')), data(3), headers(5));
      expect(await client.rst(5)).toBe(E.RefusedStream);
      client.send(frame(T.RstStream, 0, 1, uint32(E.Cancel)), headers(7), data(7));
      await client.end(7);
      await vi.waitFor(() => expect(server.cancelled).toEqual(['/t.Echo/Hold']));
    });

    it('are told to stop sending when they are answered early', async () => {
      const client = await connect();
      client.send(headers(1, block('/t.Nope/Nope')));
      expect(await client.rst(1)).toBe(E.NoError);
      client.send(data(1, message('late'), 0), data(1), headers(3), data(3));
      await client.end(3);
      expect(client.frames.filter(({ type, streamId }) => type === T.RstStream && streamId === 1)).toHaveLength(1);
    });

    it('that end within a message fail', async () => {
      const client = await connect();
      client.send(headers(1), data(1, message('cut short').subarray(0, 8)));
      expect((await client.end(1)).payload.toString('latin1')).toContain('grpc-status\x0213');
    });

    it('finish after GOAWAY; new ones are ignored', async () => {
      const client = await connect();
      client.send(headers(1, block('/t.Echo/Slow')), data(1));
      await client.sync();
      const stopped = server.stop(5000);
      const goaway = await client.find(({ type }) => type === T.Goaway);
      expect([goaway.payload.readUInt32BE(0), goaway.payload.readUInt32BE(4)]).toEqual([1, E.NoError]);
      client.send(headers(3), data(3), frame(T.WindowUpdate, 0, 3, uint32(1)), frame(T.RstStream, 0, 3, uint32(8)));
      await client.end(1);
      expect(client.body(1)).toEqual(message('hi'));
      await stopped;
      expect(client.frames.some(({ streamId }) => streamId === 3)).toBe(false);
    });
  });

  describe('keepalive', () => {
    const isPing = ({ type, flags }: Frame): boolean => type === T.Ping && flags === 0;

    it('pings a silent client and closes when it stays silent', async () => {
      await restart({ keepaliveIntervalMs: 80, keepaliveTimeoutMs: 60 });
      const client = await connect();
      const startedMs = performance.now();
      client.send(headers(1, block('/t.Echo/Hold')), data(1));
      await client.find(isPing);
      expect(performance.now() - startedMs).toBeGreaterThan(70);
      await vi.waitFor(() => expect(client.isClosed).toBe(true));
      expect(performance.now() - startedMs).toBeGreaterThan(130);
      await vi.waitFor(() => expect(server.cancelled).toEqual(['/t.Echo/Hold']));
    });

    it('keeps a client that answers, or sends anything', async () => {
      await restart({ keepaliveIntervalMs: 100, keepaliveTimeoutMs: 300, keepaliveMinTimeMs: 0 });
      const client = await connect();
      for (let i = 0; i < 4; i++) {
        const ping = await client.find(isPing);
        client.frames.splice(client.frames.indexOf(ping), 1);
        client.send(frame(T.Ping, F.Ack, 0, ping.payload));
      }
      // Longer than the interval and the timeout together: pings are not answered any more.
      for (const startedMs = performance.now(); performance.now() - startedMs < 1000;) {
        client.send(frame(T.WindowUpdate, 0, 0, uint32(1)));
        await sleep(10);
      }
      expect(client.isClosed).toBe(false);
    });
  });

  describe('floods', () => {
    const floods: [string, () => Uint8Array][] = [
      ['SETTINGS', () => settings()],
      ['PRIORITY', () => frame(T.Priority, 0, 1, [0, 0, 0, 0, 0])],
      ['unknown frames', () => frame(0xee, 0, 0)],
      ['empty DATA', () => data(1, Buffer.alloc(0), 0)],
    ];
    it.each(floods)('of %s end the connection', async (_name, make) => {
      const client = await connect();
      client.send(headers(1, block('/t.Echo/Chat')));
      for (let i = 0; i < 8000; i++) client.send(make());
      expect((await client.goaway())[0]).toBe(E.EnhanceYourCalm);
    });

    it('of PING end the connection, too_many_pings', async () => {
      const client = await connect();
      for (let i = 0; i < 10; i++) client.send(frame(T.Ping, 0, 0, Buffer.alloc(8)));
      expect(await client.goaway()).toEqual([E.EnhanceYourCalm, 'too_many_pings']);
    });

    it('of streams that are reset at once end the connection', async () => {
      const client = await connect();
      for (let i = 1; i < 8000; i += 2)
        client.send(headers(i, block('/t.Echo/Hold')), frame(T.RstStream, 0, i, uint32(8)));
      expect((await client.goaway())[0]).toBe(E.EnhanceYourCalm);
    });

    it('of CONTINUATION end the connection, with bytes and without', async () => {
      const full = await connect();
      full.send(headers(1, block(), 0));
      for (let i = 0; i < 20; i++)
        full.send(frame(T.Continuation, 0, 1, Buffer.concat([field('x', 'y'.repeat(15_000))])));
      expect((await full.goaway())[0]).toBe(E.EnhanceYourCalm);
      const empty = await connect();
      empty.send(headers(1, block(), 0));
      for (let i = 0; i < 8000; i++) empty.send(frame(T.Continuation, 0, 1));
      expect((await empty.goaway())[0]).toBe(E.EnhanceYourCalm);
    });

    it('of header references are not worth their memory', async () => {
      const client = await connect();
      const bomb = Buffer.concat([
        block(),
        Buffer.from([0x40]),
        field('x', 'y'.repeat(4000)).subarray(1),
        Buffer.alloc(12_000, 0x80 + 62),
      ]);
      const before = process.memoryUsage().rss;
      for (let i = 1; i < 200; i += 2) client.send(headers(i, bomb, F.EndHeaders | F.EndStream));
      await client.end(199);
      expect(process.memoryUsage().rss - before).toBeLessThan(100_000_000);
    });

    it('by a client that does not read are not answered without bound', async () => {
      await restart({ keepaliveMinTimeMs: 0 });
      const client = await connect(
        Buffer.concat([PREFACE, settings([4, 0x7fff_ffff]), frame(T.WindowUpdate, 0, 0, uint32(0x7000_0000))]),
      );
      client.socket.pause();
      client.send(headers(1, block('/t.Echo/Stall')), data(1));
      await vi.waitFor(() => expect(server.streams).toHaveLength(1));
      for (let i = 0; i < 200; i++) server.streams[0]?.send(Buffer.alloc(100_000));
      await sleep(50);
      expect(server.streams[0]?.backlogBytes).toBeGreaterThan(10_000_000);
      client.socket.resume();
      await vi.waitFor(() => expect(client.bodyBytes(1)).toBe(200 * 100_005 + 7), { timeout: 25_000 });
      expect(server.streams[0]?.backlogBytes).toBe(0);
    });
  });
});
