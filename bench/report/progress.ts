import { Presets, SingleBar } from 'cli-progress';

/** A bar on a terminal; a line for each step elsewhere. On stderr: stdout is for the table. */
export class Progress {
  readonly #total: number;
  readonly #bar: SingleBar | undefined;
  readonly #startedMs = performance.now();
  #done = 0;
  #step = '';

  constructor(total: number) {
    this.#total = total;
    if (!process.stderr.isTTY) return;
    const format = '{bar} {value}/{total} | {duration_formatted} | {step}';
    this.#bar = new SingleBar({ format, stream: process.stderr, hideCursor: true }, Presets.shades_classic);
    this.#bar.start(total, 0, { step: '' });
  }

  step(what: string): void {
    this.#step = what;
    this.#bar?.update(this.#done, { step: what });
  }

  stepDone(error: string | undefined): void {
    this.#done++;
    this.#bar?.update(this.#done);
    const seconds = ((performance.now() - this.#startedMs) / 1000).toFixed(1);
    if (this.#bar === undefined) console.error(`[${this.#done}/${this.#total}] ${seconds} s: ${this.#step}`);
    if (error !== undefined) console.error(`${this.#bar === undefined ? '' : '\n'}FAILED ${error}`);
  }

  stop(): void {
    this.#bar?.stop();
  }
}
