/** Sending a database to another member. */
import { afterEach, describe, expect, test } from 'vitest';
import { MessageType, type Message } from '../../../src/gen/raftpb.ts';
import { newMessage } from '../../../src/raft/messages.ts';
import type { SnapshotSource } from '../../../src/server/peer-transport.ts';
import { PATIENT, TestNode, connect, sleep, startPair, stopAll, expectSoon } from './support/node.ts';

afterEach(stopAll);

function snapshotMessage(from: bigint, to: bigint, index = 100): Message {
  const confState = { voters: [from, to], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
  const snapshot = { data: Uint8Array.of(1, 2, 3), metadata: { confState, index, term: 2 } };
  return { ...newMessage(MessageType.MsgSnap, to), from, term: 2, snapshot };
}

interface TestSource extends SnapshotSource {
  readonly outcomes: boolean[];
  yielded: number;
}

/** Yields what `pieces` makes. */
function sourceOf(
  sizeBytes: number,
  pieces: (count: (bytes: number) => void) => AsyncIterable<Uint8Array>,
): TestSource {
  const source: TestSource = {
    outcomes: [],
    yielded: 0,
    sizeBytes,
    chunks: () => pieces((bytes) => (source.yielded += bytes)),
    done: (ok) => source.outcomes.push(ok),
  };
  return source;
}

function database(sizeBytes: number, chunkBytes = 65_536): TestSource {
  return sourceOf(sizeBytes, async function* (count) {
    for (let at = 0; at < sizeBytes; at += chunkBytes) {
      const length = Math.min(chunkBytes, sizeBytes - at);
      count(length);
      yield await Promise.resolve(new Uint8Array(length).fill((at / chunkBytes) % 251));
    }
  });
}

async function contents(source: SnapshotSource): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source.chunks()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('a snapshot', () => {
  test.for([[0], [1], [70_000], [20_000_000]])('of %d bytes arrives whole, after its message', async ([size = 0]) => {
    const [a, b] = await startPair({ transport: { timing: PATIENT } });
    const source = database(size);
    const message = snapshotMessage(a.id, b.id);
    a.transport.sendSnapshot(message, source);
    await expectSoon(() => a.handler.snapshotReports.length === 1);
    expect(a.handler.snapshotReports).toEqual([{ id: b.id, ok: true }]);
    expect(source.outcomes).toEqual([true]);
    expect(b.handler.received).toEqual([message]);
    const [got] = b.handler.databases;
    expect(Buffer.compare(got ?? Buffer.of(1), await contents(database(size)))).toBe(0);
    expect(a.metrics.get('send successes', 'b')).toBe(1);
    expect(a.metrics.get('send inflights', 'b')).toBe(0);
    expect(b.metrics.get('receive successes', 'a')).toBe(1);
    expect(a.handler.unreachable).toEqual([]);
  });

  test('does not hold up other messages', async () => {
    const [a, b] = await startPair({ transport: { timing: PATIENT } });
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const source = sourceOf(2, async function* () {
      yield Uint8Array.of(1);
      await held;
      yield Uint8Array.of(2);
    });
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), source);
    const other = { ...newMessage(MessageType.MsgHeartbeat, b.id), from: a.id, term: 2 };
    a.transport.send([other]);
    await expectSoon(() => b.handler.received.length === 1);
    expect(b.handler.received).toEqual([other]);
    release();
    await expectSoon(() => source.outcomes.length === 1);
    expect(source.outcomes).toEqual([true]);
  });

  test('is read from the source only as fast as the receiver takes it', async () => {
    const [a, b] = await startPair({ transport: { timing: PATIENT } });
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    b.handler.onSnapshot = async (_, chunks) => {
      await held;
      for await (const chunk of chunks) expect(chunk.length).toBeGreaterThan(0);
    };
    const source = database(200_000_000);
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), source);
    await sleep(150);
    const taken = source.yielded;
    expect(taken).toBeLessThan(30_000_000);
    release();
    await expectSoon(() => source.outcomes.length === 1, 25_000);
    expect(source.outcomes).toEqual([true]);
    expect(source.yielded).toBe(200_000_000);
  });

  test('that the receiver cannot store has failed', async () => {
    const [a, b] = await startPair();
    b.handler.onSnapshot = () => Promise.reject(new Error('disk full'));
    const source = database(10_000_000);
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), source);
    await expectSoon(() => source.outcomes.length === 1);
    expect(source.outcomes).toEqual([false]);
    expect(a.handler.snapshotReports).toEqual([{ id: b.id, ok: false }]);
    expect(a.handler.unreachable).toEqual([b.id]);
    expect(b.metrics.get('receive failures', 'a')).toBe(1);
  });

  test.for<[string, (size: number) => TestSource]>([
    [
      'breaks',
      (size) =>
        sourceOf(size, async function* () {
          yield await Promise.resolve(new Uint8Array(size / 2));
          throw new Error('cannot read the database');
        }),
    ],
    ['is shorter than announced', (size) => ({ ...database(size / 2), sizeBytes: size })],
    ['is longer than announced', (size) => ({ ...database(size * 2), sizeBytes: size })],
  ])('whose source %s has failed, and the receiver knows', async ([, create]) => {
    const [a, b] = await startPair();
    const errors: unknown[] = [];
    b.handler.onSnapshot = async (_, chunks) => {
      try {
        for await (const chunk of chunks) expect(chunk.length).toBeGreaterThan(0);
      } catch (error) {
        errors.push(error);
        throw error;
      }
    };
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), create(1_000_000));
    await expectSoon(() => a.handler.snapshotReports.length === 1);
    expect(a.handler.snapshotReports).toEqual([{ id: b.id, ok: false }]);
    await expectSoon(() => errors.length === 1);
    expect(b.handler.received).toEqual([]);
  });

  test('is given up by the receiver when the sender stalls', async () => {
    const [a, b] = await startPair();
    const source = sourceOf(2, async function* () {
      yield Uint8Array.of(1);
      await sleep(1500);
      yield Uint8Array.of(2);
    });
    b.handler.onSnapshot = async (_, chunks) => {
      for await (const chunk of chunks) expect(chunk.length).toBe(1);
    };
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), source);
    await expectSoon(() => b.metrics.get('receive failures', 'a') === 1);
    await expectSoon(() => a.handler.snapshotReports.length === 1);
    expect(a.handler.snapshotReports).toEqual([{ id: b.id, ok: false }]);
  });

  test('of which the receiver takes nothing is given up', async () => {
    const [a, b] = await startPair();
    b.handler.onSnapshot = () => new Promise(() => {});
    const source = database(100_000_000);
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), source);
    await expectSoon(() => source.outcomes.length === 1);
    expect(source.outcomes).toEqual([false]);
    expect(source.yielded).toBeLessThan(30_000_000);
  });

  test('that another one runs beside fails at once; the first one goes on', async () => {
    const [a, b] = await startPair({ transport: { timing: PATIENT } });
    const first = database(5_000_000);
    const second = database(10);
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), first);
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), second);
    expect(second.outcomes).toEqual([false]);
    expect(second.yielded).toBe(0);
    await expectSoon(() => first.outcomes.length === 1);
    expect(first.outcomes).toEqual([true]);
    const third = database(10);
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), third);
    await expectSoon(() => third.outcomes.length === 1);
    expect(third.outcomes).toEqual([true]);
  });

  test('to nobody, to a dead member, to a removed peer has failed', async () => {
    const [a, b] = await startPair();
    const unknown = database(10);
    a.transport.sendSnapshot(snapshotMessage(a.id, 0xdeadn), unknown);
    expect(unknown.outcomes).toEqual([false]);
    await b.stop();
    const dead = database(10);
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), dead);
    await expectSoon(() => dead.outcomes.length === 1);
    expect(dead.outcomes).toEqual([false]);
    expect(a.handler.snapshotReports).toEqual([
      { id: 0xdeadn, ok: false },
      { id: b.id, ok: false },
    ]);
  });

  test('ends with its peer; the source is let go', async () => {
    const [a, b] = await startPair();
    b.handler.onSnapshot = () => new Promise(() => {});
    const source = database(100_000_000);
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), source);
    await expectSoon(() => source.yielded > 1_000_000);
    a.transport.removePeer(b.id);
    await expectSoon(() => source.outcomes.length === 1);
    expect(source.outcomes).toEqual([false]);
    expect(a.handler.snapshotReports).toEqual([]);
  });

  test('from a removed member, or for another one, is refused', async () => {
    const a = await TestNode.start({ id: 0xan });
    const b = await TestNode.start({ id: 0xbn });
    const c = await TestNode.start({ id: 0xcn });
    connect(a, b);
    b.handler.removed.add(a.id);
    a.transport.addPeer(c.id, [b.url]);
    for (const to of [b.id, c.id]) a.transport.sendSnapshot(snapshotMessage(a.id, to), database(1000));
    await expectSoon(() => a.handler.snapshotReports.length === 2);
    expect(a.handler.snapshotReports.every(({ ok }) => !ok)).toBe(true);
    expect(b.handler.databases).toEqual([]);
  });

  test('only so many are received at a time', async () => {
    const b = await TestNode.start({ id: 0xbn, transport: { limits: { snapshotsReceivedMax: 1 } } });
    const [a, c] = [await TestNode.start({ id: 0xan }), await TestNode.start({ id: 0xcn })];
    connect(a, b);
    connect(c, b);
    let release = (): void => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    b.handler.onSnapshot = () => held;
    a.transport.sendSnapshot(snapshotMessage(a.id, b.id), database(1000));
    await expectSoon(() => b.metrics.get('receive inflights', 'a') === 1);
    c.transport.sendSnapshot(snapshotMessage(c.id, b.id), database(1000));
    await expectSoon(() => c.handler.snapshotReports.length === 1);
    expect(c.handler.snapshotReports).toEqual([{ id: b.id, ok: false }]);
    release();
    await expectSoon(() => a.handler.snapshotReports.length === 1);
    expect(a.handler.snapshotReports).toEqual([{ id: b.id, ok: true }]);
  });
});
