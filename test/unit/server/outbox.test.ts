import { describe, expect, test } from 'vitest';
import { SeededRandom } from '../../../src/base/random.ts';
import type { Message } from '../../../src/gen/raftpb.ts';
import { newMessage } from '../../../src/raft/messages.ts';
import { Outbox } from '../../../src/server/outbox.ts';

function numbered(...numbers: number[]): Message[] {
  return numbers.map((number) => ({ ...newMessage(4, 2n), index: number }));
}

function recording(): { outbox: Outbox; sent: number[] } {
  const sent: number[] = [];
  return { outbox: new Outbox((messages) => sent.push(...messages.map(({ index }) => index))), sent };
}

describe('Outbox', () => {
  test('what has nothing to wait for leaves at once', () => {
    const { outbox, sent } = recording();
    outbox.follow(numbered(1));
    outbox.follow([]);
    expect(sent).toEqual([1]);
  });

  test('what follows a write waits for it, and leaves after its messages', () => {
    const { outbox, sent } = recording();
    const release = outbox.hold(numbered(1));
    outbox.follow(numbered(2));
    expect(sent).toEqual([]);
    release();
    expect(sent).toEqual([1, 2]);
  });

  test('a write that is durable before an earlier one lets nothing out', () => {
    const { outbox, sent } = recording();
    const first = outbox.hold(numbered(1));
    const second = outbox.hold([]);
    outbox.follow(numbered(3));
    second();
    expect(sent).toEqual([]);
    first();
    expect(sent).toEqual([1, 3]);
  });

  test('agrees with its definition: a message leaves, in order, once all writes up to it are durable', () => {
    for (let seed = 0; seed < 80; seed++) {
      const random = new SeededRandom(seed);
      const { outbox, sent } = recording();
      const steps: { number: number; durable: boolean; release: (() => void) | undefined }[] = [];
      for (let turn = 0; turn < 30; turn++) {
        const open = steps.filter(({ durable }) => !durable);
        if (open.length > 0 && random.below(2) === 0) {
          const step = open[random.below(open.length)];
          if (step === undefined) continue;
          step.durable = true;
          step.release?.();
        } else if (random.below(2) === 0) {
          steps.push({ number: turn, durable: false, release: outbox.hold(numbered(turn)) });
        } else {
          steps.push({ number: turn, durable: true, release: undefined });
          outbox.follow(numbered(turn));
        }
        const blocked = steps.findIndex(({ durable }) => !durable);
        const free = blocked === -1 ? steps : steps.slice(0, blocked);
        expect(sent, `seed ${seed}, turn ${turn}`).toEqual(free.map(({ number }) => number));
      }
    }
  });
});
