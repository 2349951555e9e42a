/** For lines that anybody who can connect may cause: so many a second are written, and the others counted. */
import type { LogFields, Logger } from '../ports/logger.ts';

const BURST_LINES = 50;
const LINES_PER_SECOND = 5;

export class LimitedLogger {
  readonly #logger: Logger;
  readonly #nowMs: () => number;
  #left = BURST_LINES;
  #filledMs: number;
  #leftOut = 0;

  constructor(logger: Logger, nowMs: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#nowMs = nowMs;
    this.#filledMs = nowMs();
  }

  /** `left-out`: how many lines before this one were not written. */
  warn(message: string, fields: LogFields = {}): void {
    const nowMs = this.#nowMs();
    this.#left = Math.min(BURST_LINES, this.#left + ((nowMs - this.#filledMs) / 1000) * LINES_PER_SECOND);
    this.#filledMs = nowMs;
    if (this.#left < 1) {
      this.#leftOut++;
      return;
    }
    this.#left--;
    this.#logger.warn(message, this.#leftOut === 0 ? fields : { ...fields, 'left-out': this.#leftOut });
    this.#leftOut = 0;
  }
}
