/** One member of a local cluster as a process. */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { clientUrl, type MemberPlace, peerUrl } from './layout.ts';

const READY_POLL_MS = 50;
const READY_DEADLINE_MS = 60_000;
const STOP_DEADLINE_MS = 3000;
const LOG_TAIL_CHARS = 1000;

export interface MemberEvents {
  /** The process ended without having been asked to. */
  readonly onDeath: (member: MemberProcess, how: string) => void;
}

export class MemberProcess {
  readonly place: MemberPlace;
  readonly #command: readonly string[];
  readonly #initialCluster: string;
  readonly #events: MemberEvents;
  #child: ChildProcess | undefined;
  #exited: Promise<void> = Promise.resolve();
  #stopping = false;

  constructor(place: MemberPlace, command: readonly string[], all: readonly MemberPlace[], events: MemberEvents) {
    this.place = place;
    this.#command = command;
    this.#initialCluster = all.map((one) => `${one.name}=${peerUrl(one)}`).join(',');
    this.#events = events;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  start(): void {
    const [file, ...args] = this.#command;
    const log = openSync(this.place.logFile, 'a');
    const child = spawn(file ?? '', [...args, ...this.#flags()], {
      stdio: ['ignore', log, log],
      // A group of its own: the terminal's Ctrl-C reaches this script alone, which stops all in order.
      detached: true,
    });
    closeSync(log);
    this.#child = child;
    this.#exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#child = undefined;
        resolve();
        if (!this.#stopping) this.#events.onDeath(this, how);
      };
      child.once('exit', (code, signal) => ended(signal === null ? `code ${code}` : `by ${signal}`));
      child.once('error', (error) => ended(error.message));
    });
  }

  /** Resolves when client requests can succeed; rejects when the process ends before. */
  async ready(): Promise<void> {
    const deadlineMs = Date.now() + READY_DEADLINE_MS;
    while (!(await this.#isReady())) {
      if (this.#child === undefined) throw new Error(`${this.place.name} ended while it started:\n${this.logTail()}`);
      if (Date.now() > deadlineMs) throw new Error(`${this.place.name} is not ready:\n${this.logTail()}`);
      await sleep(READY_POLL_MS);
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#child?.kill('SIGTERM');
    const force = setTimeout(() => this.#child?.kill('SIGKILL'), STOP_DEADLINE_MS);
    await this.#exited;
    clearTimeout(force);
  }

  kill(): void {
    this.#stopping = true;
    this.#child?.kill('SIGKILL');
  }

  logTail(): string {
    return readFileSync(this.place.logFile, 'utf8').slice(-LOG_TAIL_CHARS);
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${clientUrl(this.place)}/readyz`, { signal: AbortSignal.timeout(1000) })).ok;
    } catch {
      return false;
    }
  }

  #flags(): string[] {
    const { name, dataDir } = this.place;
    return [
      `--name=${name}`,
      `--data-dir=${dataDir}`,
      `--listen-client-urls=${clientUrl(this.place)}`,
      `--advertise-client-urls=${clientUrl(this.place)}`,
      `--listen-peer-urls=${peerUrl(this.place)}`,
      `--initial-advertise-peer-urls=${peerUrl(this.place)}`,
      `--initial-cluster=${this.#initialCluster}`,
      '--initial-cluster-state=new',
    ];
  }
}
