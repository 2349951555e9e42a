import type { ChildProcess } from 'node:child_process';

export type LoopProbeRequest = 'reset' | 'read';

export interface LoopFigures {
  /** The longest time between two turns of the event loop. */
  readonly maxMs: number;
  readonly p99Ms: number;
  /** The longest garbage collection on the main thread: part of maxMs, where it may be the cause. */
  readonly collectionMaxMs: number;
  /** As maxMs, but each time less what the main thread waited for a CPU meanwhile: what it would be on a quiet machine. */
  readonly ownMaxMs: number;
  /** How long, all together, the main thread could have run but other threads and processes had the CPUs: noise. */
  readonly cpuWaitMs: number;
}

/** The other end of loop-probe.ts; one request at a time. */
export class LoopProbeClient {
  readonly #child: ChildProcess;

  constructor(child: ChildProcess) {
    this.#child = child;
  }

  async reset(): Promise<void> {
    await this.#ask('reset');
  }

  async read(): Promise<LoopFigures> {
    return (await this.#ask('read')) as LoopFigures;
  }

  #ask(request: LoopProbeRequest): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const onMessage = (message: unknown): void => {
        this.#child.off('exit', onExit);
        resolve(message);
      };
      const onExit = (): void => {
        this.#child.off('message', onMessage);
        reject(new Error('the server ended while its event loop was watched'));
      };
      this.#child.once('message', onMessage);
      this.#child.once('exit', onExit);
      this.#child.send(request);
    });
  }
}
