/** Time and memory of a process, as the kernel tells them. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { cpuSecondsOf } from '../servers/proc.ts';

const LOOK_MS = 20;

export interface Measured {
  readonly ms: number;
  /** Of the processor, all threads: what counts on a machine that is not idle. */
  readonly cpuSeconds: number;
  /** Of its memory that no file backs, at most. */
  readonly peakBytes: number;
}

/** Looks at a process now and then: between two looks it may have had more memory, and after the last more time. */
export class Watched {
  peakBytes = 0;
  cpuSeconds = 0;
  #timer: NodeJS.Timeout | undefined;

  watch(pid: number): void {
    this.#timer = setInterval(() => this.#look(pid), LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(pid: number): void {
    try {
      this.cpuSeconds = cpuSecondsOf(readFileSync(`/proc/${pid}/stat`, 'latin1'));
      const status = readFileSync(`/proc/${pid}/status`, 'latin1');
      const kib = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
      this.peakBytes = Math.max(this.peakBytes, Number(kib ?? 0) * 1024);
    } catch {
      // It has just ended.
    }
  }
}

/** Runs a command to its end. Rejects when it fails, with what it said. */
export function measured(file: string, args: readonly string[]): Promise<Measured> {
  return new Promise((resolve, reject) => {
    const startMs = performance.now();
    const child = spawn(file, [...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    const watched = new Watched();
    if (child.pid !== undefined) watched.watch(child.pid);
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.once('error', reject);
    child.once('close', (code) => {
      watched.stop();
      if (code === 0)
        resolve({ ms: performance.now() - startMs, cpuSeconds: watched.cpuSeconds, peakBytes: watched.peakBytes });
      else reject(new Error(`${file} ${args.join(' ')} failed: ${errors}`));
    });
  });
}
