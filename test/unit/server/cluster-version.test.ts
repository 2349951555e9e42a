import { expect, test } from 'vitest';
import type { Command } from '../../../src/apply/command.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { ClusterVersionKeeper } from '../../../src/server/cluster-version.ts';
import { NO_DOWNGRADE } from '../../../src/membership/versions.ts';
import type { ServerCore } from '../../../src/server/core.ts';
import { ManualClock } from '../../support/manual-clock.ts';

/** A leader of three, whose others answer with these versions; undefined: not at all. */
function world(own: string, others: (string | undefined)[]) {
  const state = {
    clock: new ManualClock(),
    isLeader: true,
    version: undefined as string | undefined,
    downgrade: NO_DOWNGRADE,
    set: [] as string[],
    others,
    refuse: false,
  };
  const peers = others.map((_, at) => ({ id: BigInt(at + 2), peerURLs: [String(at)] }));
  const parts = {
    memberId: 1n,
    serverVersion: own,
    clock: state.clock,
    logger: silentLogger,
    node: {
      get isLeader() {
        return state.isLeader;
      },
    },
    cluster: {
      get version() {
        return state.version;
      },
      get downgrade() {
        return state.downgrade;
      },
      members: () => [{ id: 1n, peerURLs: ['self'] }, ...peers],
    },
    calls: {
      versions: (urls: readonly string[]) => {
        const server = state.others[Number(urls[0])];
        return server === undefined ? Promise.reject(new Error('no answer')) : Promise.resolve({ server });
      },
    },
  };
  const core = {
    parts,
    proposeInternal: (_request: unknown, command: Command) => {
      if (state.refuse) return Promise.reject(new Error('timed out'));
      if (command.kind === 'downgradeInfoSet') {
        const { enabled, ver } = command.request;
        state.downgrade = { isEnabled: enabled, targetVersion: ver };
        return Promise.resolve(undefined);
      }
      if (command.kind !== 'clusterVersionSet') throw new Error(command.kind);
      state.version = command.request.ver;
      state.set.push(command.request.ver);
      return Promise.resolve(undefined);
    },
  };
  return { state, keeper: new ClusterVersionKeeper(core as unknown as ServerCore, 5000) };
}

test('the lowest minor version of all members', async () => {
  const { state, keeper } = world('3.6.12', ['3.5.30', '3.6.0']);
  await keeper.decide();
  expect(state.set).toEqual(['3.5.0']);
});

test('the first one does not wait for all members to answer, later ones do', async () => {
  const { state, keeper } = world('3.6.12', ['3.6.1', undefined]);
  await keeper.decide();
  await keeper.decide();
  expect(state.set).toEqual(['3.0.0']);
  state.others[1] = '3.6.2';
  await keeper.decide();
  expect(state.set).toEqual(['3.0.0', '3.6.0']);
});

test('goes up, not down without a downgrade', async () => {
  const { state, keeper } = world('3.6.12', ['3.5.30', '3.6.0']);
  state.version = '3.6.0';
  await keeper.decide();
  expect(state.set).toEqual([]);
});

test('nothing is built on an answer that is no version', async () => {
  const { state, keeper } = world('3.6.12', ['banana', '3.6.0']);
  await keeper.decide();
  await keeper.decide();
  expect(state.set).toEqual(['3.0.0']);
});

test('only the leader decides, every four seconds, and tries again what failed', async () => {
  const { state, keeper } = world('3.6.12', ['3.6.1', '3.6.2']);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  state.isLeader = false;
  keeper.start();
  state.clock.advance(4000);
  await settle();
  expect(state.set).toEqual([]);
  state.isLeader = true;
  state.refuse = true;
  state.clock.advance(4000);
  await settle();
  state.refuse = false;
  state.clock.advance(3999);
  await settle();
  expect(state.set).toEqual([]);
  state.clock.advance(1);
  await settle();
  expect(state.set).toEqual(['3.6.0']);
  keeper.stop();
  state.version = undefined;
  state.clock.advance(10_000);
  await settle();
  expect(state.set).toEqual(['3.6.0']);
});

test('goes down for a downgrade, which ends when all members are there', async () => {
  const { state, keeper } = world('3.6.12', ['3.6.1', '3.6.2']);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  state.version = '3.6.0';
  state.downgrade = { isEnabled: true, targetVersion: '3.5.0' };
  keeper.start();
  state.clock.advance(4000);
  await settle();
  expect(state.set).toEqual(['3.5.0']);
  state.clock.advance(4000);
  await settle();
  expect([state.set, state.downgrade.isEnabled]).toEqual([['3.5.0'], true]);
  state.downgrade = NO_DOWNGRADE;
  await keeper.decide();
  expect(state.set).toEqual(['3.5.0', '3.6.0']);
  keeper.stop();
});

test('a downgrade ends when all members have the version', async () => {
  const { state, keeper } = world('3.5.30', ['3.5.1', undefined]);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  state.version = '3.5.0';
  state.downgrade = { isEnabled: true, targetVersion: '3.5.0' };
  keeper.start();
  state.clock.advance(5000);
  await settle();
  expect(state.downgrade.isEnabled).toBe(true);
  state.others[1] = '3.5.9';
  state.clock.advance(5000);
  await settle();
  expect(state.downgrade.isEnabled).toBe(false);
  keeper.stop();
});
