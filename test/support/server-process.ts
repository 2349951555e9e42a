import { type ChildProcess, spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

export type ServerKind = 'etcd' | 'quorate';

export interface ServerOptions {
  /** Flags beyond the ones every server gets, e.g. `--quota-backend-bytes=1000000`; a later one wins. */
  readonly flags?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Kept after stop() when given; otherwise a temporary one that stop() removes. */
  readonly dataDir?: string;
  readonly name?: string;
  readonly readyTimeoutMs?: number;
  /** Everything that the process writes is appended here, over all its restarts. */
  readonly logPath?: string;
  /** The client URL is https; `flags` bring the certificate. */
  readonly isSecure?: boolean;
}

export interface Command {
  readonly kind: ServerKind;
  readonly file: string;
  readonly args: readonly string[];
}

const READY_MESSAGE = '"ready to serve client requests"';
const LOG_TAIL_LINES = 60;

/** A server under test as an operating-system process on 127.0.0.1 with ports of its own. */
export class ServerProcess {
  readonly kind: ServerKind;
  readonly name: string;
  readonly dataDir: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly #command: Command;
  readonly #options: ServerOptions;
  readonly #ownsDataDir: boolean;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #log: string[] = [];

  private constructor(command: Command, options: ServerOptions, dataDir: string, ports: readonly [number, number]) {
    this.kind = command.kind;
    this.name = options.name ?? 'n1';
    this.dataDir = dataDir;
    this.#ownsDataDir = options.dataDir === undefined;
    [this.clientPort, this.peerPort] = ports;
    this.#command = command;
    this.#options = options;
  }

  /** Starts the server and resolves when it serves. Tries other ports when someone took one in between. */
  static async start(command: Command, options: ServerOptions = {}): Promise<ServerProcess> {
    const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), `${command.kind}-test-`)));
    for (let attempt = 1; ; attempt++) {
      const server = new ServerProcess(command, options, dataDir, [await freePort(), await freePort()]);
      try {
        await server.restart();
        return server;
      } catch (error) {
        const portTaken = /address already in use|EADDRINUSE/.test(server.logTail());
        if (attempt < 3 && portTaken) continue;
        await server.stop();
        throw error;
      }
    }
  }

  /** A server that does not run yet: restart() starts it. The caller's flags have to name its ports. */
  static prepare(command: Command, options: ServerOptions & { readonly dataDir: string }): ServerProcess {
    return new ServerProcess(command, options, options.dataDir, [0, 0]);
  }

  get clientUrl(): string {
    return `${this.#options.isSecure === true ? 'https' : 'http'}://127.0.0.1:${this.clientPort}`;
  }

  get endpoint(): string {
    return `127.0.0.1:${this.clientPort}`;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined;
  }

  /** The last lines the process wrote, stdout and stderr together. */
  logTail(lines = LOG_TAIL_LINES): string {
    return this.#log.slice(-lines).join('\n');
  }

  /** Starts the process (again) on the same ports and data directory, with `more` flags; it must not be running. */
  async restart(more: readonly string[] = []): Promise<void> {
    if (this.#child) throw new Error(`${this.kind} is still running`);
    this.#log = [];
    const child = spawn(this.#command.file, [...this.#command.args, ...this.#flags(), ...more], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...withoutEtcdVariables(process.env), ...this.#options.env },
    });
    this.#child = child;
    LIVE.add(child);
    this.#exited = new Promise((resolve) => {
      const done = (): void => {
        LIVE.delete(child);
        if (this.#child === child) this.#child = undefined;
        resolve();
      };
      child.once('exit', done);
      child.once('error', done);
    });
    await this.#untilReady(child);
  }

  /** SIGKILL, as a crash; resolves when the process is gone. */
  async kill(): Promise<void> {
    this.#child?.kill('SIGKILL');
    await this.#exited;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves when the process has ended for whatever reason. */
  async exited(): Promise<void> {
    await this.#exited;
  }

  /** Ends the process for good and removes a temporary data directory. */
  async stop(): Promise<void> {
    await this.kill();
    if (this.#ownsDataDir) await rm(this.dataDir, { recursive: true, force: true });
  }

  #flags(): string[] {
    const peerUrl = `http://127.0.0.1:${this.peerPort}`;
    return [
      `--name=${this.name}`,
      `--data-dir=${this.dataDir}`,
      `--listen-client-urls=${this.clientUrl}`,
      `--advertise-client-urls=${this.clientUrl}`,
      `--listen-peer-urls=${peerUrl}`,
      `--initial-advertise-peer-urls=${peerUrl}`,
      `--initial-cluster=${this.name}=${peerUrl}`,
      ...(this.#options.flags ?? []),
    ];
  }

  #untilReady(child: ChildProcess): Promise<void> {
    const timeoutMs = this.#options.readyTimeoutMs ?? 20_000;
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => {
        clearTimeout(timer);
        child.kill('SIGKILL');
        reject(new Error(`${this.kind} ${what}\n${this.logTail()}`));
      };
      const timer = setTimeout(() => fail(`was not ready after ${timeoutMs} ms`), timeoutMs);
      const onLine = (line: string): void => {
        this.#log.push(line);
        if (this.#options.logPath !== undefined) appendFileSync(this.#options.logPath, `${line}\n`);
        if (this.#log.length > 4 * LOG_TAIL_LINES) this.#log.splice(0, 2 * LOG_TAIL_LINES);
        if (!line.includes(READY_MESSAGE)) return;
        clearTimeout(timer);
        resolve();
      };
      eachLine(child.stdout, onLine);
      eachLine(child.stderr, onLine);
      child.once('error', (error) => fail(`could not be started: ${error.message}`));
      child.once('exit', (code, signal) => {
        // Pipes may hold the last lines a moment longer than the process lives.
        setTimeout(() => fail(`ended before it was ready (code ${code}, signal ${signal})`), 50);
      });
    });
  }
}

const LIVE = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of LIVE) child.kill('SIGKILL');
});

/** ETCD_* variables would configure the server behind the test's back; ETCDCTL_* ones are the tool's. */
function withoutEtcdVariables(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('ETCD')));
}

function eachLine(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
  let rest = '';
  stream?.setEncoding('utf8');
  stream?.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
}
