/** One attack on one server, and what became of the server and of its well-behaved client. */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServerProcess } from '../support/server-process.ts';
import { DEFAULT_LIMITS, type Attack, type AttackTarget, type Limits } from './attack.ts';
import { GoodClient, type Served } from './good-client.ts';
import type { Rig } from './rig.ts';

const MEMORY_EVERY_MS = 25;
const SETTLE_MS = 300;
/** For an attacker that does not end when it should. */
const ATTACKER_GRACE_MS = 20_000;
const FATAL_MB = 3000;

export interface Outcome {
  readonly attack: string;
  readonly server: string;
  readonly limits: Limits;
  readonly baselineMb: number;
  readonly peakMb: number;
  readonly served: Served;
  readonly healthyAfterMs: number;
  readonly tally: Readonly<Record<string, number>>;
}

export async function runAttack(attack: Attack, rig: Rig, durationMs: number): Promise<Outcome> {
  const { server } = rig;
  const client = new GoodClient({ endpoint: server.endpoint, ca: rig.ca, token: rig.token });
  client.start();
  await sleep(SETTLE_MS);
  const baselineMb = await anonymousMb(server);
  client.restart();
  const memory = watchMemory(server);
  try {
    const tally = await attacker(attack, rig.target, durationMs);
    const startMs = performance.now();
    await client.stop();
    const served = client.served;
    await rig.healthy();
    const healthyAfterMs = performance.now() - startMs;
    const limits = { ...DEFAULT_LIMITS, ...attack.limits };
    const peakMb = await memory.stop();
    return { attack: attack.name, server: server.kind, limits, baselineMb, peakMb, served, healthyAfterMs, tally };
  } catch (error) {
    await memory.stop().catch(() => 0);
    await client.stop();
    const reason = memory.peakMb > FATAL_MB ? `killed, for it passed ${FATAL_MB} MB` : String(error);
    throw new Error(`${attack.name} on ${server.kind}: ${reason}\n${server.logTail(20)}`, { cause: error });
  }
}

/** What an outcome has against it; empty: nothing. */
export function faultsOf({ limits, baselineMb, peakMb, served, tally }: Outcome): string[] {
  const faults = (tally['connections'] ?? 0) > 0 ? [] : ['the attacker did nothing'];
  const roseMb = peakMb - baselineMb;
  if (roseMb > limits.memoryMb) faults.push(`memory rose by ${roseMb.toFixed(0)} MB, limit ${limits.memoryMb}`);
  if (served.requests < 2) faults.push(`only ${served.requests} requests of the good client were answered`);
  const [failure] = served.failed;
  if (failure !== undefined) faults.push(`${served.failed.length} requests of the good client failed: ${failure}`);
  const worstMs = Math.max(served.worstMs, served.worstNewMs);
  if (worstMs > limits.worstMs) faults.push(`a good request took ${worstMs.toFixed(0)} ms, limit ${limits.worstMs}`);
  return faults;
}

async function anonymousMb({ pid }: ServerProcess): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`process ${pid} is gone`);
  return Number(kib) / 1024;
}

function watchMemory(server: ServerProcess): { stop(): Promise<number>; readonly peakMb: number } {
  let isOver = false;
  let peakMb = 0;
  const watch = async (): Promise<number> => {
    for (;;) {
      peakMb = Math.max(peakMb, await anonymousMb(server));
      // Before it takes the memory of everything else on this machine.
      if (peakMb > FATAL_MB) await server.kill();
      if (isOver) return peakMb;
      await sleep(MEMORY_EVERY_MS);
    }
  };
  const watching = watch();
  watching.catch(() => {});
  return {
    stop: () => {
      isOver = true;
      return watching;
    },
    get peakMb() {
      return peakMb;
    },
  };
}

function attacker(attack: Attack, target: AttackTarget, durationMs: number): Promise<Record<string, number>> {
  const args = [join(import.meta.dirname, 'attacker.ts'), attack.name, String(durationMs), JSON.stringify(target)];
  const child = spawn(process.execPath, ['--max-old-space-size=2048', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), durationMs + ATTACKER_GRACE_MS);
    let out = '';
    let problems = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (problems += text));
    child.once('error', reject);
    child.once('close', (code, signal) => {
      clearTimeout(timer);
      if (code === 0) resolve(JSON.parse(out) as Record<string, number>);
      else reject(new Error(`the attacker ended with ${code ?? signal}: ${problems.slice(-2000)}`));
    });
  });
}
