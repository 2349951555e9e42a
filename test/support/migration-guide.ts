/** Carries out docs/migrate-from-etcd.md: its code blocks, marked as steps, on addresses of the loopback network. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { quorateCommand } from './quorate-process.ts';
import { etcdBinDir } from './real-etcd.ts';
import type { ServerKind } from './server-process.ts';

const GUIDE = join(import.meta.dirname, '../../docs/migrate-from-etcd.md');
const STEP = /<!-- step: ([a-z-]+) -->\n\n```sh\n([^`]*)\n```/g;
const STEP_TIMEOUT_MS = 60_000;
const STATE = 'state.sh';

export interface GuideMember {
  readonly name: string;
  /** The last part of its address. */
  readonly host: number;
  readonly kind: ServerKind;
}

export class MigrationGuide {
  readonly dir: string;
  readonly #network: string;
  readonly #steps: ReadonlyMap<string, string>;
  readonly #running = new Map<string, ChildProcess>();
  /** Flags for every server that is started, beyond those of the guide. */
  readonly #env: Readonly<Record<string, string>>;
  transcript = '';

  static async create(env: Readonly<Record<string, string>> = {}): Promise<MigrationGuide> {
    const guide = new MigrationGuide(await mkdtemp(join(tmpdir(), 'migration-')), env);
    await guide.#writeCommands();
    return guide;
  }

  private constructor(dir: string, env: Readonly<Record<string, string>>) {
    this.dir = dir;
    this.#env = env;
    this.#network = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.`;
    const steps = [...readFileSync(GUIDE, 'utf8').matchAll(STEP)].map(
      ([, name, code]) => [name ?? '', code ?? ''] as const,
    );
    this.#steps = new Map(steps);
    if (this.#steps.size !== steps.length || steps.length === 0)
      throw new Error('steps of the guide: none, or one twice');
  }

  get stepNames(): string[] {
    return [...this.#steps.keys()];
  }

  endpoint({ host }: GuideMember): string {
    return `${this.#network}${host}:2379`;
  }

  /** Runs a step with what the steps before it set; resolves to what it printed. Rejects when a command fails. */
  run(name: string, change: (code: string) => string = (code) => code): Promise<string> {
    return this.#bash(`${this.#step('helpers')}\n${this.#local(change(this.#step(name)))}`);
  }

  /** As `run`, again and again while what it says is a matter of time, as the guide tells. */
  async runUntil(name: string, isGood: (output: string) => boolean = () => true): Promise<string> {
    const deadlineMs = Date.now() + STEP_TIMEOUT_MS;
    for (;;) {
      const result = await this.run(name).then(
        (output) => ({ output, failed: false }),
        (error: unknown) => ({ output: String(error), failed: true }),
      );
      if (!result.failed && isGood(result.output)) return result.output;
      if (Date.now() > deadlineMs) throw new Error(`${name}: ${result.output}`);
      await sleep(500);
    }
  }

  /** The steps `who`, with these members instead of the guide's. */
  async who(old: string, { name, host }: GuideMember): Promise<void> {
    await this.run('who', (code) => {
      const changed = code.replace('OLD=e1 NEW=q1 HOST=10.0.0.11', `OLD=${old} NEW=${name} HOST=10.0.0.${host}`);
      if (changed === code && name !== 'q1') throw new Error(`the guide's example has changed: ${code}`);
      return changed;
    });
  }

  /** The step that runs until it is ended; resolves when the server says that it serves. */
  async start(step: string, { name, kind }: GuideMember): Promise<void> {
    const code = this.#local(this.#step(step)).replace(new RegExp(`^${kind} `, 'm'), `exec ${kind} `);
    await this.#spawn(name, `source ${STATE}\n${code}`);
  }

  /** A founder of the cluster that the guide begins with. */
  async found(member: GuideMember, all: readonly GuideMember[]): Promise<void> {
    const url = (host: number, port: number): string => `http://10.0.0.${host}:${port}`;
    const flags = [
      `--name=${member.name}`,
      `--data-dir=/var/lib/${member.name}`,
      `--listen-peer-urls=${url(member.host, 2380)}`,
      `--initial-advertise-peer-urls=${url(member.host, 2380)}`,
      `--listen-client-urls=${url(member.host, 2379)}`,
      `--advertise-client-urls=${url(member.host, 2379)}`,
      `--initial-cluster=${all.map(({ name, host }) => `${name}=${url(host, 2380)}`).join()}`,
    ];
    await this.#spawn(member.name, this.#local(`exec ${member.kind} ${flags.join(' ')}`));
  }

  /** A server from a data directory that is there already. */
  async startRestored(member: GuideMember, dataDir: string): Promise<void> {
    const at = `http://10.0.0.${member.host}`;
    const listen = `--listen-peer-urls=${at}:2380 --listen-client-urls=${at}:2379 --advertise-client-urls=${at}:2379`;
    await this.#spawn(
      member.name,
      this.#local(`exec ${member.kind} --name=${member.name} --data-dir=${dataDir} ${listen}`),
    );
  }

  isRunning(name: string): boolean {
    return this.#running.has(name);
  }

  log(name: string): string {
    return readFileSync(join(this.dir, `${name}.log`), 'utf8');
  }

  async end(): Promise<void> {
    const ended = [...this.#running.values()].map(
      (child) => new Promise((resolve) => child.once('exit', resolve).kill('SIGKILL')),
    );
    await Promise.all(ended);
    await rm(this.dir, { recursive: true, force: true });
  }

  #step(name: string): string {
    const code = this.#steps.get(name);
    if (code === undefined) throw new Error(`the guide has no step ${name}`);
    return code;
  }

  #local(code: string): string {
    return code.replaceAll('10.0.0.', this.#network).replaceAll(/\/var\/(lib|backups)\//g, `${this.dir}/`);
  }

  /** `quorate`, `etcd` and the tools as commands. */
  async #writeCommands(): Promise<void> {
    const bin = join(this.dir, 'bin');
    await mkdir(bin);
    const { file, args } = quorateCommand();
    const words = [file, ...args].map((word) => `'${word}'`);
    await writeFile(join(bin, 'quorate'), `#!/bin/sh\nexec ${words.join(' ')} "$@"\n`);
    await chmod(join(bin, 'quorate'), 0o755);
    await writeFile(join(this.dir, STATE), '');
  }

  #environment(): NodeJS.ProcessEnv {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD')));
    return { ...env, PATH: `${join(this.dir, 'bin')}:${etcdBinDir()}:${process.env['PATH']}` };
  }

  #bash(code: string): Promise<string> {
    const keep = `{ declare -p ETCDCTL_ENDPOINTS OLD NEW HOST 2>/dev/null || true; } > ${STATE}`;
    const script = `set -euo pipefail\nsource ${STATE}\n${code}\n${keep}\n`;
    return new Promise((resolve, reject) => {
      const options = { cwd: this.dir, env: this.#environment(), timeout: STEP_TIMEOUT_MS };
      execFile('bash', ['-c', script], options, (error, stdout, stderr) => {
        this.transcript += `$ ${code}\n${stdout}${stderr}\n`;
        if (error === null) resolve(stdout);
        else reject(new Error(`${code}\nended with ${error.code ?? error.signal}:\n${stdout}${stderr}`));
      });
    });
  }

  async #spawn(name: string, code: string): Promise<void> {
    const path = join(this.dir, `${name}.log`);
    const log = openSync(path, 'a');
    const child = spawn('bash', ['-c', code], {
      cwd: this.dir,
      env: { ...this.#environment(), ...this.#env },
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.#running.set(name, child);
    child.once('exit', () => this.#running.delete(name));
    const deadlineMs = Date.now() + STEP_TIMEOUT_MS;
    while (!readFileSync(path, 'utf8').includes('"ready to serve client requests"')) {
      const late = Date.now() > deadlineMs;
      if (late || !this.isRunning(name)) throw new Error(`${name} does not serve:\n${this.log(name).slice(-3000)}`);
      await sleep(50);
    }
  }
}
