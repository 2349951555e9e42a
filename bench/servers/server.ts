/** A server under measurement: a process, its data directory, and what the operating system says about both. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { performance } from 'node:perf_hooks';
import { freePort } from '../../test/support/free-port.ts';
import { CallError, Client } from '../load/client.ts';
import { killAtExit } from './live-children.ts';
import { type LoopFigures, LoopProbeClient } from './loop-probe-client.ts';
import { anonymousBytes, cpuSeconds } from './proc.ts';

export type ServerKind = 'quorate' | 'etcd';

export interface ServerSpec {
  readonly kind: ServerKind;
  readonly version: string;
  readonly file: string;
  /** Before the flags; `probe`: with a monitor of the event loop, where there is one. */
  readonly args: (probe: boolean) => readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

export interface StartOptions {
  readonly dataDir: string;
  readonly logFile: string;
  readonly probe?: boolean;
  /** Called with its process id as soon as it has one. */
  readonly onSpawned?: (pid: number) => void;
  /** Its place in a cluster; without, it is alone, on ports that are free. */
  readonly place?: MemberPlace;
}

export interface MemberPlace {
  readonly name: string;
  readonly port: number;
  readonly peerPort: number;
  /** As --initial-cluster takes it. */
  readonly initialCluster: string;
}

const HEALTHY_POLL_MS = 2;
const HEALTHY_DEADLINE_MS = 600_000;
const STOP_DEADLINE_MS = 20_000;
const LOG_TAIL_CHARS = 3000;

export class Server {
  readonly kind: ServerKind;
  readonly port: number;
  readonly dataDir: string;
  /** From starting the process until it had answered a linearizable range. */
  readonly healthyMs: number;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #loop: LoopProbeClient | undefined;

  static async start(spec: ServerSpec, options: StartOptions): Promise<Server> {
    const place = options.place ?? (await alone());
    const { port } = place;
    const log = openSync(options.logFile, 'a');
    const probe = options.probe === true && spec.kind === 'quorate';
    const startedMs = performance.now();
    const child = spawn(spec.file, [...spec.args(probe), ...flags(options.dataDir, place)], {
      stdio: ['ignore', log, log, ...(probe ? ['ipc' as const] : [])],
      env: { ...spec.env, ...withoutEtcdVariables(process.env) },
    });
    closeSync(log);
    killAtExit(child);
    if (child.pid !== undefined) options.onSpawned?.(child.pid);
    const exited = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    const state = { ended: false };
    void exited.then(() => (state.ended = true));
    try {
      await untilHealthy(port, startedMs, () => state.ended);
    } catch (error) {
      child.kill('SIGKILL');
      await exited;
      const tail = (await readFile(options.logFile, 'utf8')).slice(-LOG_TAIL_CHARS);
      throw new Error(`${spec.kind} did not start: ${String(error)}\n${tail}`, { cause: error });
    }
    const healthyMs = performance.now() - startedMs;
    return new Server(spec.kind, options.dataDir, port, healthyMs, child, exited, probe);
  }

  private constructor(
    kind: ServerKind,
    dataDir: string,
    port: number,
    healthyMs: number,
    child: ChildProcess,
    exited: Promise<void>,
    probe: boolean,
  ) {
    this.kind = kind;
    this.dataDir = dataDir;
    this.port = port;
    this.healthyMs = healthyMs;
    this.#child = child;
    this.#exited = exited;
    this.#loop = probe ? new LoopProbeClient(child) : undefined;
  }

  /** Memory that no file backs, so that the kernel cannot drop it. */
  anonymousBytes(): Promise<number> {
    return anonymousBytes(this.#pid);
  }

  /** User and system time of all its threads since it started. */
  cpuSeconds(): Promise<number> {
    return cpuSeconds(this.#pid);
  }

  /** Runs `work`; with it, the event loop's figures meanwhile, undefined for a server that has no such loop. */
  async loopDuring<T>(work: () => Promise<T>): Promise<readonly [T, LoopFigures | undefined]> {
    await this.#loop?.reset();
    const result = await work();
    return [result, await this.#loop?.read()];
  }

  /** Asks it to end and waits until it is gone. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), STOP_DEADLINE_MS);
    await this.#exited;
    clearTimeout(force);
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  get #pid(): number {
    const { pid, exitCode, signalCode } = this.#child;
    if (pid === undefined || exitCode !== null || signalCode !== null) throw new Error(`${this.kind} is not running`);
    return pid;
  }
}

async function alone(): Promise<MemberPlace> {
  const [port, peerPort] = [await freePort(), await freePort()];
  return { name: 'bench', port, peerPort, initialCluster: `bench=http://127.0.0.1:${peerPort}` };
}

function flags(dataDir: string, { name, port, peerPort, initialCluster }: MemberPlace): string[] {
  const clientUrl = `http://127.0.0.1:${port}`;
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  return [
    `--name=${name}`,
    `--data-dir=${dataDir}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=${initialCluster}`,
  ];
}

/** ETCD_* variables would configure the server behind the benchmark's back. */
function withoutEtcdVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ETCD')));
}

async function untilHealthy(port: number, startedMs: number, ended: () => boolean): Promise<void> {
  for (;;) {
    if (ended()) throw new Error('the process ended');
    if (performance.now() - startedMs > HEALTHY_DEADLINE_MS) throw new Error(`not within ${HEALTHY_DEADLINE_MS} ms`);
    try {
      const client = await Client.open(port);
      try {
        await client.range({ key: Uint8Array.of(0x68) });
        return;
      } finally {
        client.close();
      }
    } catch (error) {
      const notYet = error instanceof CallError || (error as NodeJS.ErrnoException).code === 'ECONNREFUSED';
      if (!notYet) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, HEALTHY_POLL_MS));
  }
}
