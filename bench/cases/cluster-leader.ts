/**
 * How long nobody can write when the leader ends: killed, or told to stop. A put every few milliseconds through each of the
 * other members, whether those before it were answered or not, as many clients would make.
 */
import { encodePutRequest } from '../../src/gen/rpc.ts';
import type { BenchCase, CaseContext, Measurement } from '../case.ts';
import { type Client, PATH } from '../load/client.ts';
import { grpcFrame } from '../load/grpc-frame.ts';
import { valueOf, seededRandom, VALUE_BYTES } from '../load/workload.ts';
import type { Server } from '../servers/server.ts';
import { median } from '../statistics.ts';
import { withClients } from './clients.ts';

const INTERVAL_MS = 5;
/** So that what is measured is not a cluster that has just started. */
const BEFORE_MS = 500;
/** How long puts go on after the first that was acknowledged. */
const AFTER_MS = 1000;
const DEADLINE_MS = 60_000;
const BODY = grpcFrame(
  encodePutRequest({ key: new TextEncoder().encode('/bench/leader'), value: valueOf(VALUE_BYTES, seededRandom(5)) }),
);

export const leaderKillCase: BenchCase = {
  name: 'leader-kill',
  title: 'kill -9 of the leader, election timeout 1 s',
  run: async (context) => {
    const times = await repeat(context, 'kill');
    return [
      { ...less('until the first write through the others', median(times.map(firstWriteMs))), headline: true },
      less('longest of them', Math.max(...times.map(firstWriteMs))),
    ];
  },
};

export const leaderStopCase: BenchCase = {
  name: 'leader-sigterm',
  title: 'SIGTERM to the leader',
  run: async (context) => {
    const times = await repeat(context, 'stop');
    return [
      { ...less('longest time without an acknowledged write', median(times.map(longestGapMs))), headline: true },
      less('longest of them', Math.max(...times.map(longestGapMs))),
    ];
  },
};

function less(name: string, value: number): Measurement {
  return { name, unit: 'ms', better: 'less', value };
}

/** One end of a leader. */
interface Ending {
  /** When it was told to end, and when its process was gone. */
  readonly toldMs: number;
  readonly goneMs: number;
  readonly writes: readonly Write[];
}

interface Write {
  readonly sentMs: number;
  readonly acknowledgedMs: number;
}

/** Of the writes made after the leader was gone, when the first was acknowledged. */
function firstWriteMs({ goneMs, writes }: Ending): number {
  const after = writes.filter(({ sentMs }) => sentMs >= goneMs).map(({ acknowledgedMs }) => acknowledgedMs - goneMs);
  if (after.length === 0) throw new Error('no write after the leader was gone');
  return Math.min(...after);
}

function longestGapMs({ toldMs, writes }: Ending): number {
  const times = writes.map(({ acknowledgedMs }) => acknowledgedMs).sort((a, b) => a - b);
  let longest = 0;
  for (let i = 1; i < times.length; i++) {
    const [from, to] = [times[i - 1] as number, times[i] as number];
    if (to >= toldMs) longest = Math.max(longest, to - from);
  }
  return longest;
}

async function repeat(context: CaseContext, how: 'kill' | 'stop'): Promise<Ending[]> {
  const cluster = await context.startCluster();
  const endings: Ending[] = [];
  for (let i = 0; i < context.sizes.leaderEnds; i++) {
    const leader = await cluster.leader();
    const others = await cluster.followers();
    let ended = -1;
    endings.push(
      await whileWriting(others, async () => {
        ended = await cluster.endMember(leader, how);
      }),
    );
    await cluster.startMember(ended);
  }
  return endings;
}

async function whileWriting(others: readonly Server[], end: () => Promise<void>): Promise<Ending> {
  const writers: Client[] = [];
  const writes: Write[] = [];
  const each = async (rest: readonly Server[]): Promise<Ending> => {
    const [first, ...more] = rest;
    if (first !== undefined) {
      return withClients(first.port, 1, (clients) => {
        writers.push(...clients);
        return each(more);
      });
    }
    const timer = setInterval(() => writers.forEach((client) => write(client, writes)), INTERVAL_MS);
    try {
      await pause(BEFORE_MS);
      const toldMs = performance.now();
      await end();
      const goneMs = performance.now();
      await untilWritten(writes, goneMs);
      await pause(AFTER_MS);
      return { toldMs, goneMs, writes };
    } finally {
      clearInterval(timer);
    }
  };
  return each(others);
}

function write(client: Client, writes: Write[]): void {
  const sentMs = performance.now();
  client.connection.call(PATH.put, BODY, {
    collect: false,
    onMessage: () => {
      writes.push({ sentMs, acknowledgedMs: performance.now() });
    },
    // A write that was under way when the leader went may fail, on either server.
    onEnd: () => {},
  });
}

async function untilWritten(writes: readonly Write[], afterMs: number): Promise<void> {
  while (!writes.some(({ sentMs }) => sentMs > afterMs)) {
    if (performance.now() - afterMs > DEADLINE_MS) throw new Error(`no write for ${DEADLINE_MS} ms`);
    await pause(INTERVAL_MS);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
