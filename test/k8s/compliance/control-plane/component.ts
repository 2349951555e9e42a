import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';

/** A process of the control plane; what it writes goes to a file. Ends with this process. */
export class Component {
  readonly name: string;
  readonly #logPath: string;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  #hasExited = false;

  constructor(name: string, file: string, args: readonly string[], logPath: string) {
    this.name = name;
    this.#logPath = logPath;
    const log = openSync(logPath, 'a');
    this.#child = spawn(file, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    LIVE.add(this.#child);
    this.#exited = new Promise((resolve) => {
      const done = (): void => {
        this.#hasExited = true;
        LIVE.delete(this.#child);
        resolve();
      };
      this.#child.once('exit', done);
      this.#child.once('error', done);
    });
  }

  get running(): boolean {
    return !this.#hasExited;
  }

  logTail(lines = 30): string {
    return readFileSync(this.#logPath, 'utf8').split('\n').slice(-lines).join('\n');
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}

const LIVE = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of LIVE) child.kill('SIGKILL');
});
