import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AssertionError } from '../../../src/base/assert.ts';
import { PeerServer } from '../../../src/peer/peer-server.ts';
import { NodeClock } from '../../../src/platform/node-clock.ts';
import { silentLogger } from '../../../src/ports/logger.ts';

describe('what goes wrong in answering a peer', () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  let listeners: NodeJS.UnhandledRejectionListener[] = [];

  /** The process would end with it, and so would the tests. */
  beforeEach(() => {
    unhandled.length = 0;
    listeners = process.listeners('unhandledRejection');
    process.removeAllListeners('unhandledRejection');
    process.on('unhandledRejection', note);
  });

  afterEach(() => {
    process.removeAllListeners('unhandledRejection');
    for (const listener of listeners) process.on('unhandledRejection', listener);
  });

  /** The answer to a request whose route throws this. */
  async function answerTo(problem: Error): Promise<string> {
    async function failing(): Promise<boolean> {
      await Promise.resolve();
      throw problem;
    }
    const server = new PeerServer({
      urls: ['http://127.0.0.1:0'],
      tls: undefined,
      clock: new NodeClock(),
      logger: silentLogger,
    });
    await server.listen();
    server.serve([failing]);
    try {
      const response = await fetch(`http://127.0.0.1:${server.ports[0]}/raft`, { method: 'POST', body: 'x' });
      await new Promise((resolve) => setImmediate(resolve));
      return `${response.status} ${(await response.text()).trim()}`;
    } finally {
      await server.close(0);
    }
  }

  test('is its own affair', async () => {
    expect(await answerTo(new Error('the disk is full'))).toContain('500');
    expect(unhandled).toEqual([]);
  });

  test('but ends the process where a state was found that cannot be', async () => {
    const broken = new AssertionError('a committed entry conflicts with the leader');
    expect(await answerTo(broken)).toContain('500');
    expect(unhandled).toEqual([broken]);
  });
});
