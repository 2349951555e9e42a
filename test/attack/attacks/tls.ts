/** Handshakes, on a client port with TLS. */
import tls from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack, AttackRun } from '../attack.ts';
import { connect, flood } from '../flood.ts';

/** The first flight of a client, as its library writes it. */
async function clientHello(): Promise<Buffer> {
  const { Duplex } = await import('node:stream');
  const chunks: Buffer[] = [];
  const wire = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const socket = tls.connect({ socket: wire, rejectUnauthorized: false });
  socket.on('error', () => {});
  await sleep(50);
  socket.destroy();
  return Buffer.concat(chunks);
}

/** Whole handshakes, one after the other. */
async function handshakes(run: AttackRun, from: string): Promise<void> {
  while (!run.isOver()) {
    const raw = await connect(run, { from });
    if (raw === undefined) {
      await sleep(20);
      continue;
    }
    const socket = tls.connect({ socket: raw, rejectUnauthorized: false, session: undefined });
    await new Promise<void>((resolve) => {
      socket.once('secureConnect', () => {
        run.tally.add('handshakes');
        resolve();
      });
      socket.once('error', () => resolve());
      socket.once('close', () => resolve());
      setTimeout(resolve, 2000).unref();
    });
    socket.destroy();
  }
}

export const TLS_ATTACKS: readonly Attack[] = [
  {
    name: 'tls-handshakes',
    what: 'whole handshakes, as fast as they go, on 50 connections at a time',
    isTls: true,
    run: async (run) => {
      await Promise.all(Array.from({ length: 50 }, () => handshakes(run, '127.0.0.2')));
    },
  },
  {
    name: 'tls-hellos',
    what: 'the first flight of a handshake, and then a new connection; the server has done its part by then',
    isTls: true,
    run: async (run) => {
      const hello = await clientHello();
      const one = async (): Promise<void> => {
        while (!run.isOver()) {
          const socket = await connect(run, { reads: true, from: '127.0.0.2' });
          if (socket === undefined) {
            await sleep(20);
            continue;
          }
          socket.write(hello);
          run.tally.add('hellos');
          await sleep(10);
          socket.destroy();
        }
      };
      await Promise.all(Array.from({ length: 100 }, one));
    },
  },
  {
    name: 'tls-burst',
    what: '500 connections that wait, and then begin their handshakes all at once',
    isTls: true,
    run: async (run) => {
      const hello = await clientHello();
      while (!run.isOver()) {
        const opened = await Promise.all(
          Array.from({ length: 500 }, () => connect(run, { reads: true, from: '127.0.0.2' })),
        );
        await sleep(200);
        for (const socket of opened) socket?.write(hello);
        run.tally.add('hellos', 500);
        await sleep(300);
        for (const socket of opened) socket?.destroy();
      }
    },
  },
  {
    name: 'tls-half-open',
    what: '1,000 handshakes that stop in the middle of their first record',
    isTls: true,
    run: async (run) => {
      const hello = await clientHello();
      await flood(run, { connections: 1000, greeting: hello.subarray(0, 100), from: '127.0.0.2' });
    },
  },
  {
    name: 'tls-idle',
    what: '1,000 connections that never begin their handshake',
    isTls: true,
    run: (run) => flood(run, { connections: 1000, from: '127.0.0.2' }),
  },
  {
    name: 'tls-garbage',
    what: 'bytes that are no handshake, and plain HTTP',
    isTls: true,
    run: async (run) => {
      const noise = Buffer.alloc(1000, 0x16);
      const http = Buffer.from('GET /health HTTP/1.1\r\nHost: x\r\n\r\n');
      await Promise.all(
        [noise, http].map((bytes) => flood(run, { connections: 10, greeting: bytes, reads: true, from: '127.0.0.2' })),
      );
    },
  },
];
