import { describe, expect, it } from 'vitest';
import type { LogFields } from '../../../src/ports/logger.ts';
import { silentLogger } from '../../../src/ports/logger.ts';
import { LimitedLogger } from '../../../src/server/limited-logger.ts';
import { RequestTurns } from '../../../src/server/request-turns.ts';

describe('LimitedLogger', () => {
  it('writes so many lines, counts the others, and says how many there were', () => {
    const lines: LogFields[] = [];
    let nowMs = 0;
    const logger = new LimitedLogger(
      { ...silentLogger, warn: (_, fields = {}) => void lines.push(fields) },
      () => nowMs,
    );
    for (let i = 0; i < 1000; i++) logger.warn('refused', { i });
    expect(lines.length).toBe(50);
    nowMs = 1000;
    logger.warn('refused', { i: 1000 });
    expect(lines.at(-1)).toEqual({ i: 1000, 'left-out': 950 });
    logger.warn('refused', { i: 1001 });
    expect(lines.at(-1)).toEqual({ i: 1001 });
  });
});

describe('RequestTurns', () => {
  it('has requests of one connection wait for those before them, and others not', async () => {
    const turns = new RequestTurns();
    const [a, b] = [{}, {}];
    const first = Promise.withResolvers<void>();
    const log: string[] = [];
    expect(turns.enter(a, first.promise)).toBeUndefined();
    const second = turns.enter(a, Promise.resolve());
    expect(turns.enter(b, Promise.resolve())).toBeUndefined();
    if (second === undefined || second === false) throw new Error('the second request did not have to wait');
    void second.then(() => log.push('second'));
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual([]);
    first.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['second']);
  });

  it('takes no more than so many, and as many again once they are over', async () => {
    const turns = new RequestTurns();
    const connection = {};
    const first = Promise.withResolvers<void>();
    const entered = Array.from({ length: 100 }, () => turns.enter(connection, first.promise));
    expect(entered.filter((turn) => turn === false).length).toBe(100 - 65);
    first.resolve();
    await new Promise((resolve) => setImmediate(resolve));
    expect(turns.enter(connection, Promise.resolve())).toBeUndefined();
  });
});
