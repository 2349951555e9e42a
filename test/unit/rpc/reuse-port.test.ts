import { expect, test } from 'vitest';
import { silentLogger } from '../../../src/ports/logger.ts';
import { ClientListener } from '../../../src/rpc/client-listener.ts';

const open = (port: number, reusePort: boolean): Promise<ClientListener> =>
  ClientListener.open({
    address: { host: '127.0.0.1', port },
    http1: undefined,
    http2: undefined,
    logger: silentLogger,
    reusePort,
  });

test('two listeners share an address only if both say so', async () => {
  const first = await open(0, true);
  const second = await open(first.port, true);
  expect(second.port).toBe(first.port);
  await expect(open(first.port, false)).rejects.toThrow('EADDRINUSE');
  first.close();
  second.close();
});
