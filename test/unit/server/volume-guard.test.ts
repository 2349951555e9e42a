import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/ports/logger.ts';
import type { VolumeSpace } from '../../../src/ports/volume.ts';
import { VolumeGuard } from '../../../src/server/volume-guard.ts';
import { ManualClock } from '../../support/manual-clock.ts';

const MIB = 1024 ** 2;

function setUp(...spaces: (VolumeSpace | undefined)[]) {
  const clock = new ManualClock();
  const state = { clock, spaces, pendingBytes: 0, lines: [] as string[] };
  const logger = {
    ...silentLogger,
    info: (message: string) => state.lines.push(message),
    warn: (message: string) => state.lines.push(message),
  };
  const guard = new VolumeGuard({
    clock,
    logger,
    volumes: new Map(spaces.map((_, at) => [`/v${at}`, () => state.spaces[at]])),
    pendingBytes: () => state.pendingBytes,
  });
  return { state, guard };
}

test('a twentieth of a small volume is kept free, and what is not on disk yet', () => {
  const { state, guard } = setUp({ freeBytes: 20 * MIB, totalBytes: 100 * MIB });
  expect(guard.hasRoom(4.9 * MIB)).toBe(true);
  state.clock.advance(100);
  expect(guard.hasRoom(5.1 * MIB)).toBe(false);
  state.pendingBytes = 2 * MIB;
  expect(guard.hasRoom(2.9 * MIB)).toBe(true);
  state.clock.advance(100);
  expect(guard.hasRoom(3.1 * MIB)).toBe(false);
});

test('of a large one, 128 MiB', () => {
  const { state, guard } = setUp({ freeBytes: 129 * MIB, totalBytes: 1e6 * MIB });
  expect(guard.hasRoom(1000)).toBe(true);
  state.spaces[0] = { freeBytes: 128 * MIB, totalBytes: 1e6 * MIB };
  state.clock.advance(100);
  expect(guard.hasRoom(1000)).toBe(false);
});

test('between two looks, what was let through counts', () => {
  const { state, guard } = setUp({ freeBytes: 20 * MIB, totalBytes: 100 * MIB });
  let granted = 0;
  while (guard.hasRoom(MIB / 4)) granted++;
  expect(granted).toBe(20);
  state.clock.advance(99);
  expect(guard.hasRoom(MIB / 4)).toBe(false);
  state.clock.advance(1);
  expect(guard.hasRoom(MIB / 4)).toBe(true);
});

test('the fullest volume decides; one of which nothing is known does not', () => {
  const roomy = { freeBytes: 1000 * MIB, totalBytes: 2000 * MIB };
  const full = { freeBytes: MIB, totalBytes: 2000 * MIB };
  expect(setUp(roomy, full).guard.hasRoom(1)).toBe(false);
  expect(setUp(roomy, roomy).guard.hasRoom(1)).toBe(true);
  expect(setUp(undefined).guard.hasRoom(1e12)).toBe(true);
  expect(setUp(undefined, full).guard.hasRoom(1)).toBe(false);
});

test('it is said once when space runs out, and once when there is room again', () => {
  const { state, guard } = setUp({ freeBytes: MIB, totalBytes: 100 * MIB });
  for (let i = 0; i < 3; i++) guard.hasRoom(1);
  state.spaces[0] = { freeBytes: 50 * MIB, totalBytes: 100 * MIB };
  state.clock.advance(100);
  for (let i = 0; i < 3; i++) guard.hasRoom(1);
  expect(state.lines).toEqual(['the volume of the data is nearly full', 'the volume of the data has room again']);
});

test('the reserve is there for commits', () => {
  const { state, guard } = setUp({ freeBytes: 3 * MIB, totalBytes: 100 * MIB });
  expect([guard.hasRoom(1), guard.hasRoomToCommit()]).toEqual([false, true]);
  state.pendingBytes = 2 * MIB;
  expect(guard.hasRoomToCommit()).toBe(false);
});
