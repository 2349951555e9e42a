import { describe, expect, test } from 'vitest';
import { MessageType, type Message, type SnapshotMetadata } from '../../../src/gen/raftpb.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { newMessage } from '../../../src/raft/messages.ts';
import type { Cluster } from '../../../src/membership/cluster.ts';
import type { PeerTransport, SnapshotSource as SentSource } from '../../../src/server/peer-transport.ts';
import { SnapshotDispatch } from '../../../src/server/snapshot-dispatch.ts';
import { ManualClock } from '../../support/manual-clock.ts';

function world() {
  const clock = new ManualClock();
  const state = {
    applied: 10,
    /** How the snapshot under way ends. */
    opened: Promise.withResolvers<void>(),
    closed: 0,
    sent: [] as { message: Message; source: SentSource }[],
    failed: [] as bigint[],
  };
  const dispatch = new SnapshotDispatch({
    snapshots: {
      open: async () => {
        await state.opened.promise;
        const close = (): void => void state.closed++;
        return {
          sizeBytes: 5,
          version: '3.6.0',
          chunks: async function* () {},
          sha256: () => new Uint8Array(32),
          close,
        };
      },
    },
    metadata: (): SnapshotMetadata => ({
      index: state.applied,
      term: 2,
      confState: { voters: [1n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false },
    }),
    cluster: { members: () => [], removed: () => [], version: '3.6.0' } as unknown as Cluster,
    transport: {
      sendSnapshot: (message: Message, source: SentSource) => void state.sent.push({ message, source }),
    } as unknown as PeerTransport,
    clock,
    logger: silentLogger,
    failed: (id) => void state.failed.push(id),
  });
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return { clock, state, dispatch, settle };
}

const WANTED = newMessage(MessageType.MsgSnap, 7n);

describe('SnapshotDispatch', () => {
  test('says what was applied when the snapshot was pinned, not when it was asked for or ready', async () => {
    const { clock, state, dispatch, settle } = world();
    dispatch.send(WANTED);
    state.applied = 20;
    clock.advance(1);
    state.applied = 30;
    state.opened.resolve();
    await settle();
    expect(state.sent.map(({ message }) => [message.to, message.snapshot?.metadata?.index])).toEqual([[7n, 20]]);
    expect(state.closed).toBe(0);
    state.sent[0]?.source.done(true);
    expect(state.closed).toBe(1);
  });

  test('Raft hears of a snapshot that cannot be made', async () => {
    const { clock, state, dispatch, settle } = world();
    dispatch.send(WANTED);
    clock.advance(1);
    state.opened.reject(new Error('ENOSPC'));
    await settle();
    expect([state.sent, state.failed]).toEqual([[], [7n]]);
  });

  test('after a stop none is begun, and one that is ready then is closed', async () => {
    const { clock, state, dispatch, settle } = world();
    dispatch.send(WANTED);
    clock.advance(1);
    dispatch.send(WANTED);
    dispatch.stop();
    clock.advance(1);
    state.opened.resolve();
    await settle();
    expect([state.sent, state.failed, state.closed]).toEqual([[], [], 1]);
  });
});
