import { describe, expect, it } from 'vitest';
import { HeldBytes, type Holder } from '../../../src/server/held-bytes.ts';
import { ManualClock } from '../../support/manual-clock.ts';

class Connection implements Holder {
  heldBytes = 0;
  releasedBytes = 0;
  isEvicted = false;
  readonly #all: HeldBytes;

  constructor(all: HeldBytes) {
    this.#all = all;
    all.join(this);
  }

  take(bytes: number): void {
    this.heldBytes += bytes;
    this.#all.changed(bytes);
  }

  release(bytes: number): void {
    this.heldBytes -= bytes;
    this.releasedBytes += bytes;
    this.#all.changed(-bytes);
  }

  evict(): void {
    this.isEvicted = true;
    this.release(this.heldBytes);
    this.#all.leave(this);
  }
}

function rig(max: number): { held: HeldBytes; clock: ManualClock; open: (bytes: number) => Connection } {
  const clock = new ManualClock();
  const held = new HeldBytes(clock, max);
  const open = (bytes: number): Connection => {
    const connection = new Connection(held);
    connection.take(bytes);
    return connection;
  };
  return { held, clock, open };
}

describe('HeldBytes', () => {
  it('leaves everybody alone while there is room', () => {
    const { clock, open } = rig(1_000_000);
    const all = [open(400_000), open(500_000)];
    clock.advance(10_000);
    expect(all.map(({ isEvicted }) => isEvicted)).toEqual([false, false]);
  });

  it('evicts who holds most and does not move, until there is room again', () => {
    const { held, clock, open } = rig(1_000_000);
    const [most, second, little] = [open(800_000), open(400_000), open(1000)];
    clock.advance(1000);
    expect([most, second, little].map((connection) => connection.isEvicted)).toEqual([true, false, false]);
    expect(held.total).toBe(401_000);
  });

  it('leaves alone who lets go of something, however much it holds', () => {
    const { held, clock, open } = rig(1_000_000);
    const [reader, stalled] = [open(5_000_000), open(600_000)];
    for (let i = 0; i < 8; i++) {
      reader.release(100_000);
      clock.advance(200);
    }
    expect([reader.isEvicted, stalled.isEvicted]).toEqual([false, true]);
    expect(held.isFull).toBe(true);
  });

  it('spares those with little even when nothing else can be evicted', () => {
    const { clock, open } = rig(1_000_000);
    const reader = open(3_000_000);
    const idle = Array.from({ length: 10 }, () => open(2000));
    for (let i = 0; i < 20; i++) {
      reader.release(50_000);
      reader.take(50_000);
      clock.advance(100);
    }
    expect(idle.some(({ isEvicted }) => isEvicted)).toBe(false);
  });

  it('does not evict anybody for what others than connections hold', () => {
    const { held, clock, open } = rig(1_000_000);
    const stalled = open(100_000);
    held.otherChanged(5_000_000);
    clock.advance(5000);
    expect([stalled.isEvicted, held.isFull]).toEqual([false, true]);
  });

  it('stops looking when there is room, and looks again when there is none', () => {
    const { clock, open } = rig(1_000_000);
    const first = open(1_500_000);
    first.release(1_000_000);
    clock.advance(5000);
    expect(first.isEvicted).toBe(false);
    first.take(2_000_000);
    clock.advance(1000);
    expect(first.isEvicted).toBe(true);
  });
});
