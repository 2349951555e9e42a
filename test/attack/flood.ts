/** Connections that an attacker opens, writes to as fast as they take it, and opens again when they are closed. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { AttackRun } from './attack.ts';

export interface FloodOptions {
  readonly connections: number;
  /** Written once to each connection. */
  readonly greeting?: Uint8Array;
  /** What is written next, again and again; undefined: nothing more, the connection stays. */
  readonly next?: (step: number) => Uint8Array | undefined;
  /** Whether the attacker takes what the server answers. */
  readonly reads?: boolean;
  readonly port?: number;
  /** Pause between two writes. */
  readonly pauseMs?: number;
  readonly from?: string;
}

export async function flood(run: AttackRun, options: FloodOptions): Promise<void> {
  await Promise.all(Array.from({ length: options.connections }, () => one(run, options)));
}

async function one(run: AttackRun, options: FloodOptions): Promise<void> {
  while (!run.isOver()) {
    const socket = await connect(run, options);
    if (socket === undefined) await sleep(20);
    else await work(run, options, socket);
  }
}

/** undefined: refused. */
export async function connect(
  run: AttackRun,
  { port = run.target.clientPort, reads = false, from }: Pick<FloodOptions, 'port' | 'reads' | 'from'>,
): Promise<net.Socket | undefined> {
  const { tally } = run;
  run.begin();
  const socket = net.connect({ port, host: '127.0.0.1', ...(from !== undefined && { localAddress: from }) });
  socket.setNoDelay(true);
  socket.on('error', () => {});
  if (reads) socket.resume();
  try {
    await once(socket, 'connect');
    tally.add('connections');
    return socket;
  } catch {
    tally.add('refused');
    return undefined;
  }
}

async function work(run: AttackRun, options: FloodOptions, socket: net.Socket): Promise<void> {
  const { tally } = run;
  const { greeting, next, pauseMs } = options;
  let isGone = false;
  const gone = new Promise<void>((resolve) => {
    const done = (): void => {
      isGone = true;
      resolve();
    };
    // One that reads nothing does not see the end: it notices when it writes.
    socket.on('close', done).on('end', done);
  });
  if (greeting !== undefined) socket.write(greeting);
  for (let step = 0; !isGone && !run.isOver(); step++) {
    const bytes = next?.(step);
    if (bytes === undefined) {
      await Promise.race([gone, run.over]);
      break;
    }
    tally.add('sentMB', bytes.length / 1e6);
    if (!socket.write(bytes)) await Promise.race([gone, once(socket, 'drain').catch(() => {}), run.over]);
    else if (step % 8 === 7) await sleep(0);
    if (pauseMs !== undefined) await sleep(pauseMs);
  }
  if (isGone) tally.add('closed');
  socket.destroy();
  // One that is thrown out does not come back at once.
  if (isGone) await sleep(5);
}
