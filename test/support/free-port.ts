import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

/** No port is handed out twice by one process: the first who asked may not listen yet. */
const handedOut = new Set<number>();

/**
 * A TCP port on 127.0.0.1 that nobody listened on a moment ago. Taken from below the kernel's ephemeral range, so that no
 * outgoing connection takes it before the server under test does.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = randomInt(20_000, 32_000);
    if (handedOut.has(port) || !(await canListen(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error('no free port in 20000..32000 after 100 attempts');
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
