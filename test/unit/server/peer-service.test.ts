/** Snapshots as they come in from other members. */
import { describe, expect, test } from 'vitest';
import { MessageType, type ConfState, type Message, type SnapshotMetadata } from '../../../src/gen/raftpb.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { newMessage } from '../../../src/raft/messages.ts';
import { PeerService, type PeerServiceParts } from '../../../src/server/peer-service.ts';

function world() {
  const state = {
    /** What the log has. */
    held: 0,
    stepped: [] as number[],
    stored: [] as number[],
    restarts: 0,
    drained: 0,
    storing: Promise.resolve(),
  };
  const node = {
    term: 5,
    holds: (index: number) => index <= state.held,
    step: (message: Message) => void state.stepped.push(message.type),
  };
  const parts = {
    core: { parts: { node, memberId: 1n, logger: silentLogger, cluster: { isRemoved: (id: bigint) => id === 9n } } },
    storeSnapshot: async (metadata: SnapshotMetadata, database: AsyncIterable<Uint8Array>) => {
      for await (const piece of database) state.drained += piece.length;
      await state.storing;
      state.stored.push(metadata.index);
    },
    onSnapshotStored: () => void state.restarts++,
  };
  return { state, service: new PeerService(parts as unknown as PeerServiceParts) };
}

function confState(more: Partial<ConfState> = {}): ConfState {
  return { voters: [1n, 2n], learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false, ...more };
}

function snapshotMessage(index: number, term: number, members: ConfState | undefined = confState()): Message {
  const metadata = { index, term: 4, confState: members };
  return { ...newMessage(MessageType.MsgSnap, 1n), from: 2n, term, snapshot: { data: new Uint8Array(0), metadata } };
}

async function* database(): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield new Uint8Array(3);
  yield new Uint8Array(4);
}

describe('a snapshot', () => {
  test('is stored, and the member starts again', async () => {
    const { state, service } = world();
    await service.receiveSnapshot(snapshotMessage(10, 5), database());
    expect(state).toMatchObject({ stored: [10], restarts: 1, drained: 7, stepped: [] });
  });

  test('for a learner too', async () => {
    const { state, service } = world();
    const members = confState({ voters: [2n], learners: [1n] });
    await service.receiveSnapshot(snapshotMessage(10, 5, members), database());
    expect(state.stored).toEqual([10]);
  });

  test('of what the log has is Raft’s to answer', async () => {
    const { state, service } = world();
    state.held = 10;
    await service.receiveSnapshot(snapshotMessage(10, 5), database());
    expect(state).toMatchObject({ stored: [], restarts: 0, stepped: [MessageType.MsgSnap] });
  });

  test.each([
    ['of a former leader', snapshotMessage(10, 4), 'of a former leader'],
    ['without this member', snapshotMessage(10, 5, confState({ voters: [2n] })), 'lacks this member'],
    ['without members', snapshotMessage(10, 5, { ...confState(), voters: [] }), 'lacks this member'],
    ['without metadata', { ...snapshotMessage(10, 5), snapshot: undefined }, 'says nothing of the members'],
  ])('is refused: %s', async (_, message, text) => {
    const { state, service } = world();
    await expect(service.receiveSnapshot(message, database())).rejects.toThrow(text);
    expect(state).toMatchObject({ stored: [], restarts: 0, stepped: [] });
  });

  test('one at a time, and another after one that failed', async () => {
    const { state, service } = world();
    const hold = Promise.withResolvers<void>();
    state.storing = hold.promise;
    const first = service.receiveSnapshot(snapshotMessage(10, 5), database());
    await expect(service.receiveSnapshot(snapshotMessage(11, 5), database())).rejects.toThrow('another snapshot');
    hold.reject(new Error('ENOSPC'));
    await expect(first).rejects.toThrow('ENOSPC');
    expect(state.restarts).toBe(0);
    state.storing = Promise.resolve();
    await service.receiveSnapshot(snapshotMessage(12, 5), database());
    expect(state).toMatchObject({ stored: [12], restarts: 1 });
  });
});

test('a snapshot without its database, as a plain message, is of no use', () => {
  const { state, service } = world();
  service.process(snapshotMessage(10, 5));
  service.process(newMessage(MessageType.MsgHeartbeat, 1n));
  expect(state.stepped).toEqual([MessageType.MsgHeartbeat]);
  expect([service.isRemoved(9n), service.isRemoved(8n)]).toEqual([true, false]);
});
