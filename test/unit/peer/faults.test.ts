/** What goes wrong between members: lost connections, slow and silent ones, the wrong ones. */
import { createServer, connect as dial, type AddressInfo, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { MessageType } from '../../../src/gen/raftpb.ts';
import { FrameBuffer } from '../../../src/peer/codec/frame-buffer.ts';
import { MessageEncoder } from '../../../src/peer/codec/message-codec.ts';
import { NameLookup } from '../../../src/peer/name-lookup.ts';
import { newMessage } from '../../../src/raft/messages.ts';
import { freePort } from '../../support/free-port.ts';
import {
  CLUSTER,
  FAST,
  TestNode,
  append,
  connect,
  heartbeat,
  settled,
  sleep,
  startPair,
  stopAll,
  expectSoon,
} from './support/node.ts';

const cleanups: (() => void)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup();
  await stopAll();
});

/** What a dialing peer says first. */
function streamRequest(kind: string, from: bigint, to: bigint): string {
  const headers = {
    Host: 'peer',
    'X-Server-From': from.toString(16),
    'X-Server-Version': '3.6.0',
    'X-Min-Cluster-Version': '3.0.0',
    'X-Etcd-Cluster-ID': CLUSTER.toString(16),
    'X-Raft-To': to.toString(16),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return [`GET /raft/stream/${kind}/${from.toString(16)} HTTP/1.1`, ...lines, '', ''].join('\r\n');
}

/** Accepts connections and does with each what `serve` does. */
async function listener(serve: (socket: Socket, count: number) => void): Promise<{ url: string; count: () => number }> {
  let count = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket, ++count);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, count: () => count };
}

/** Sends numbered heartbeats until one arrives: those in between may get lost. */
async function expectHeard(from: TestNode, to: TestNode): Promise<void> {
  for (let i = 1_000_000; ; i++) {
    from.transport.send([heartbeat(from.id, to.id, i)]);
    await sleep(20);
    if (to.handler.received.some(({ commit }) => commit >= 1_000_000)) return;
    if (i > 1_000_200) throw new Error('nothing arrives');
  }
}

describe('a peer that goes away', () => {
  test('is noticed, and found again when it is back at its address', async () => {
    const [a, b] = await startPair();
    const { port } = b;
    await b.stop();
    await expectSoon(() => a.transport.activeSince(b.id) === undefined);
    expect(a.handler.unreachable).toContain(b.id);
    await expectSoon(() => a.handler.gone.includes(b.id));
    expect(a.metrics.get('disconnected', 'a', 'b')).toBe(1);
    expect(a.metrics.get('active', 'a', 'b')).toBe(0);

    const again = await TestNode.start({ id: b.id, port });
    again.transport.addPeer(a.id, [a.url]);
    await settled(a, again);
    expect(a.metrics.get('active', 'a', 'b')).toBe(1);
    await expectHeard(a, again);
    await expectHeard(again, a);
  });

  test('is found at a new address after updatePeer', async () => {
    const [a, b] = await startPair();
    await b.stop();
    const moved = await TestNode.start({ id: b.id });
    moved.transport.addPeer(a.id, [a.url]);
    a.transport.updatePeer(b.id, [moved.url]);
    await settled(a, moved);
    await expectHeard(a, moved);
  });

  test('is found where its name leads to now', async () => {
    let address = '127.0.0.1';
    let lookups = 0;
    const names = new NameLookup((hostname, _, callback) => {
      lookups++;
      expect(hostname).toBe('peer-b.example');
      setImmediate(() => callback(null, [{ address, family: 4 }]));
    });
    const a = await TestNode.start({ id: 0xan, transport: { names } });
    const b = await TestNode.start({ id: 0xbn });
    a.transport.addPeer(b.id, [`http://peer-b.example:${b.port}`]);
    b.transport.addPeer(a.id, [a.url]);
    await settled(a, b);
    const { port } = b;
    await b.stop();
    address = '127.0.0.2';
    const before = lookups;
    const moved = await TestNode.start({ id: b.id, transport: { listenUrls: [`http://127.0.0.2:${port}`] } });
    moved.transport.addPeer(a.id, [a.url]);
    await settled(a, moved);
    await expectHeard(a, moved);
    expect(lookups).toBeGreaterThan(before);
  });

  test('is tried at its other address', async () => {
    const a = await TestNode.start({ id: 0xan });
    const b = await TestNode.start({ id: 0xbn });
    const dead = `http://127.0.0.1:${await freePort()}`;
    a.transport.addPeer(b.id, [dead, b.url]);
    b.transport.addPeer(a.id, ['http://[::1', dead, a.url]);
    await settled(a, b);
    await expectHeard(a, b);
    await expectHeard(b, a);
  });

  test('that only keeps silent is given up and dialed again', async () => {
    let givenUp = 0;
    const silent = await listener((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
      socket.resume().once('close', () => givenUp++);
    });
    const a = await TestNode.start({ id: 0xan, transport: { timing: { ...FAST, probeMs: 60_000 } } });
    a.transport.addPeer(0xbn, [silent.url]);
    await expectSoon(() => a.transport.activeSince(0xbn) !== undefined);
    // The two streams need not be down at the same time.
    await expectSoon(() => givenUp >= 2 && silent.count() >= 6);
  });

  test('that sends garbage is dialed again, and nothing of it gets through', async () => {
    const garbled = await listener((socket) => {
      socket.write(
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n\xff\xff\xff\xff\xff\xff\xff\xff\r\n',
        'latin1',
      );
    });
    const a = await TestNode.start({ id: 0xan, transport: { timing: { ...FAST, probeMs: 60_000 } } });
    a.transport.addPeer(0xbn, [garbled.url]);
    await expectSoon(() => garbled.count() >= 6);
    expect(a.handler.received).toEqual([]);
    expect(a.metrics.get('receivedFailures', 'b')).toBeGreaterThanOrEqual(2);
  });
});

describe('a peer that does not read', () => {
  const data = new Uint8Array(100_000);
  const limits = { streamMessagesMax: 200, streamBytesMax: 2 << 20 };

  /** Dials the msgapp stream and takes nothing from it. */
  async function stalledReader(a: TestNode): Promise<Socket> {
    const socket = dial(a.port, '127.0.0.1');
    socket.on('error', () => {});
    cleanups.push(() => socket.destroy());
    socket.write(streamRequest('msgapp', 0xbn, a.id));
    await new Promise<void>((resolve) => socket.once('readable', () => resolve()));
    return socket;
  }

  test('costs bounded memory: what does not fit is dropped, counted and reported', async () => {
    const a = await TestNode.start({ id: 0xan, transport: { limits, timing: { ...FAST, writeMs: 60_000 } } });
    a.transport.addPeer(0xbn, [`http://127.0.0.1:${await freePort()}`]);
    await stalledReader(a);
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1000; i++) {
      a.transport.send([append(a.id, 0xbn, i, data)]);
      if (i % 50 === 0) await sleep(1);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 << 20);
    const dropped = a.metrics.get('sentFailures', 'b');
    expect(dropped).toBeGreaterThan(500);
    expect(a.handler.unreachable.length).toBe(dropped);
  });

  test('loses its connection when nothing leaves for the write timeout', async () => {
    const a = await TestNode.start({ id: 0xan, transport: { limits } });
    a.transport.addPeer(0xbn, [`http://127.0.0.1:${await freePort()}`]);
    const socket = await stalledReader(a);
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    // More than the kernel's buffers take.
    for (let i = 0; i < 500; i++) {
      a.transport.send([append(a.id, 0xbn, i, data)]);
      if (i % 20 === 0) await sleep(1);
    }
    await sleep(FAST.writeMs + 4 * FAST.heartbeatMs);
    socket.resume();
    await closed;
    expect(socket.bytesRead).toBeLessThan(500 * data.length);
  });

  test('does not hold up another one', async () => {
    const [a, b] = await startPair({ transport: { limits, timing: { ...FAST, writeMs: 60_000 } } });
    a.transport.addPeer(0xcn, [`http://127.0.0.1:${await freePort()}`]);
    const socket = dial(a.port, '127.0.0.1');
    cleanups.push(() => socket.destroy());
    socket.write(streamRequest('msgapp', 0xcn, a.id));
    await new Promise<void>((resolve) => socket.once('readable', () => resolve()));
    for (let i = 0; i < 100; i++) {
      a.transport.send([append(a.id, 0xcn, i, data), append(a.id, b.id, i, new Uint8Array(10))]);
    }
    await expectSoon(() => b.handler.received.length === 100);
  });
});

describe('without streams', () => {
  test('messages go by post, also to a member that is not known yet', async () => {
    const port = await freePort();
    const a = await TestNode.start({ id: 0xan, port });
    const b = await TestNode.start({ id: 0xbn });
    // b has never heard of a, so it does not dial a's streams.
    a.transport.addPeer(b.id, [b.url]);
    a.transport.send([append(a.id, b.id, 1, Uint8Array.of(1)), heartbeat(a.id, b.id, 2)]);
    await expectSoon(() => b.handler.received.length === 2);
    expect(new Set(b.handler.received.map(({ type }) => type))).toEqual(
      new Set([MessageType.MsgApp, MessageType.MsgHeartbeat]),
    );
    await expectSoon(() => a.metrics.get('active', 'a', 'b') === 1);
    b.transport.send([heartbeat(b.id, a.id, 3)]);
    await expectSoon(() => a.handler.received.length === 1);
  });

  test('a member is answered where it says that it is', async () => {
    const a = await TestNode.start({ id: 0xan });
    const b = await TestNode.start({ id: 0xbn });
    const elsewhere = await TestNode.start({ id: a.id });
    a.transport.updateSelf([elsewhere.url]);
    a.transport.addPeer(b.id, [b.url]);
    a.transport.send([heartbeat(a.id, b.id, 1)]);
    await expectSoon(() => b.handler.received.length === 1);
    b.transport.send([heartbeat(b.id, a.id, 2)]);
    await expectSoon(() => elsewhere.handler.received.length === 1);
    expect(a.handler.received).toEqual([]);
  });

  test('a post that fails is reported', async () => {
    const a = await TestNode.start({ id: 0xan });
    a.transport.addPeer(0xbn, [`http://127.0.0.1:${await freePort()}`]);
    a.transport.send([heartbeat(a.id, 0xbn)]);
    await expectSoon(() => a.handler.unreachable.length === 1);
    expect(a.metrics.get('sentFailures', 'b')).toBe(1);
    // It was never there.
    await sleep(100);
    expect(a.handler.gone).toEqual([]);
  });

  test('posts that wait are bounded', async () => {
    const stuck = await listener(() => {});
    const a = await TestNode.start({
      id: 0xan,
      transport: { limits: { pipelineMessagesMax: 8, pipelineConnections: 2 } },
    });
    a.transport.addPeer(0xbn, [stuck.url]);
    for (let i = 0; i < 30; i++) a.transport.send([heartbeat(a.id, 0xbn, i)]);
    expect(a.handler.unreachable.length).toBe(20);
  });

  test('a member that is no peer is remembered only with its cluster, and only so many', async () => {
    const port = await freePort();
    const stranger = await TestNode.start({ id: 0xdn, clusterId: 0xbadn, port });
    const b = await TestNode.start({ id: 0xbn });
    stranger.transport.addPeer(b.id, [b.url]);
    stranger.transport.send([heartbeat(stranger.id, b.id)]);
    await expectSoon(() => stranger.handler.unreachable.length === 1);
    b.transport.send([heartbeat(b.id, stranger.id)]);
    await sleep(50);
    expect(stranger.handler.received).toEqual([]);
    expect(b.handler.received).toEqual([]);
  });
});

describe('members that must not talk', () => {
  test('a removed member is told so by its streams and by its posts', async () => {
    const a = await TestNode.start({ id: 0xan });
    const b = await TestNode.start({ id: 0xbn });
    b.handler.removed.add(a.id);
    a.transport.addPeer(b.id, [b.url]);
    await expectSoon(() => a.handler.removedCalls > 0);
    const byStreams = a.handler.removedCalls;
    expect(byStreams).toBeGreaterThan(0);
    a.transport.send([heartbeat(a.id, b.id)]);
    await expectSoon(() => a.handler.unreachable.length === 1);
    expect(a.handler.removedCalls).toBeGreaterThan(byStreams);
    expect(b.handler.received).toEqual([]);
    expect(b.handler.removedCalls).toBe(0);
  });

  test('a member that passes on what a removed one asks is not told that it was removed itself', async () => {
    const a = await TestNode.start({ id: 0xan });
    const b = await TestNode.start({ id: 0xbn });
    b.handler.removed.add(0xcn);
    a.transport.addPeer(b.id, [b.url]);
    a.transport.send([heartbeat(0xcn, b.id), heartbeat(a.id, b.id)]);
    await expectSoon(() => b.handler.received.length > 0);
    expect(b.handler.received.map(({ from }) => from)).toEqual([a.id]);
    expect(a.handler.removedCalls).toBe(0);
  });

  test.for<[string, object, string]>([
    ['members of two clusters', { clusterId: 0x77n }, 'cluster'],
    ['a member of etcd 2', { serverVersion: '2.3.8' }, 'version'],
  ])('%s do not connect', async ([, options]) => {
    const a = await TestNode.start({ id: 0xan });
    const b = await TestNode.start({ id: 0xbn, ...options });
    connect(a, b);
    a.transport.send([heartbeat(a.id, b.id)]);
    b.transport.send([heartbeat(b.id, a.id)]);
    await expectSoon(() => b.handler.unreachable.length > 0);
    await sleep(100);
    expect(a.handler.received).toEqual([]);
    expect(a.transport.activeSince(b.id)).toBeUndefined();
    expect(b.transport.activeSince(a.id)).toBeUndefined();
    expect(a.handler.removedCalls + b.handler.removedCalls).toBe(0);
  });

  test('a message for another member on a stream is dropped', async () => {
    const out = new FrameBuffer(0);
    const encoder = new MessageEncoder();
    for (const to of [0xcn, 0xan]) encoder.encode(heartbeat(0xbn, to, Number(to)), out);
    const frames = Buffer.from(out.finish());
    const misled = await listener((socket) => {
      socket.once('data', (request: Buffer) => {
        if (!request.toString('latin1').includes('/raft/stream/message/')) return socket.destroy();
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        return socket.write(frames);
      });
    });
    const a = await TestNode.start({ id: 0xan });
    a.transport.addPeer(0xbn, [misled.url]);
    await expectSoon(() => a.handler.received.length > 0);
    expect(a.handler.received[0]).toEqual(heartbeat(0xbn, 0xan, 0xa));
    expect(a.handler.received.every(({ to }) => to === 0xan)).toBe(true);
    expect(a.metrics.get('receivedFailures', 'b')).toBeGreaterThan(0);
  });

  test('another member at the address of the expected one gets nothing', async () => {
    const a = await TestNode.start({ id: 0xan });
    const c = await TestNode.start({ id: 0xcn });
    c.transport.addPeer(a.id, [a.url]);
    a.transport.addPeer(0xbn, [c.url]);
    a.transport.send([heartbeat(a.id, 0xbn)]);
    await expectSoon(() => a.handler.unreachable.length === 1);
    await sleep(50);
    expect(c.handler.received).toEqual([]);
    expect(a.handler.removedCalls).toBe(0);
    expect(a.transport.activeSince(0xbn)).toBeUndefined();
  });
});

describe('the end', () => {
  test('what was sent just before a peer is removed still arrives', async () => {
    const [a, b] = await startPair();
    a.transport.send([append(a.id, b.id, 1, Uint8Array.of(1)), heartbeat(a.id, b.id, 2)]);
    a.transport.removePeer(b.id);
    await expectSoon(() => b.handler.received.length === 2);
    expect(a.transport.peers()).toEqual([]);
    a.transport.send([heartbeat(a.id, b.id)]);
  });

  test('what was sent just before the stop still arrives, and the stop is quick', async () => {
    const [a, b] = await startPair();
    const started = performance.now();
    a.transport.send([{ ...newMessage(MessageType.MsgTimeoutNow, b.id), from: a.id, term: 1 }]);
    await a.stop();
    expect(performance.now() - started).toBeLessThan(1000);
    await expectSoon(() => b.handler.received.some(({ type }) => type === MessageType.MsgTimeoutNow));
    const { length } = a.handler.unreachable;
    await sleep(50);
    expect(a.handler.unreachable.length).toBe(length);
  });

  test('an address in use is refused with its URL', async () => {
    const a = await TestNode.start({ id: 0xan });
    const b = new TestNode({ id: 0xbn, port: a.port });
    await expect(b.transport.listen()).rejects.toThrow(`cannot listen on ${a.url}`);
  });
});
