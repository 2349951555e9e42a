/** Two transports that talk to each other over the loopback interface. */
import { afterEach, describe, expect, test } from 'vitest';
import { MessageType } from '../../../src/gen/raftpb.ts';
import { isLocalMessage, newMessage } from '../../../src/raft/messages.ts';
import { PATIENT, append, heartbeat, startPair, stopAll, expectSoon } from './support/node.ts';

afterEach(stopAll);

describe('messages', () => {
  test('of every kind arrive, whole', async () => {
    const [a, b] = await startPair({ transport: { timing: PATIENT } });
    const types = Object.values(MessageType).filter((type) => !isLocalMessage(type) && type !== MessageType.MsgSnap);
    const sent = types.map((type) => ({
      ...newMessage(type, b.id),
      from: a.id,
      term: 3,
      logTerm: 2,
      index: 7,
      commit: 5,
      reject: type === MessageType.MsgAppResp,
      rejectHint: 4,
      context: Uint8Array.of(1, 2, 3),
      vote: 0xffff_ffff_ffff_fff0n,
      entries: type === MessageType.MsgProp ? [{ type: 0, term: 0, index: 0, data: Uint8Array.of(9) }] : [],
    }));
    a.transport.send(sent);
    await expectSoon(() => b.handler.received.length >= sent.length);
    const byType = b.handler.received.sort((x, y) => x.type - y.type);
    expect(byType).toEqual(sent);
    expect(a.handler.unreachable).toEqual([]);
  });

  test('of one stream keep their order', async () => {
    const [a, b] = await startPair({ transport: { timing: PATIENT } });
    for (let i = 0; i < 2000; i++) {
      a.transport.send([append(a.id, b.id, i, new Uint8Array(i % 300)), heartbeat(a.id, b.id, i)]);
      if (i % 500 === 0) await expectSoon(() => b.handler.received.length > i);
    }
    await expectSoon(() => b.handler.received.length === 4000);
    const { received } = b.handler;
    const inOrder = Array.from({ length: 2000 }, (_, i) => i);
    expect(received.filter(({ type }) => type === MessageType.MsgApp).map(({ index }) => index)).toEqual(inOrder);
    expect(received.filter(({ type }) => type === MessageType.MsgHeartbeat).map(({ commit }) => commit)).toEqual(
      inOrder,
    );
  });
});
