import { rmSync, writeFileSync } from 'node:fs';

const PRELOAD = new URL('shifted-date.mjs', import.meta.url).href;

/**
 * A member's wall clock, which can be stepped while it runs. The machine's own is not to be touched, and Linux' time namespaces
 * shift only the monotonic clock; so a module that Node loads first puts a shifted Date before the real one. That is all that a
 * JavaScript server sees of the wall clock. For other servers nothing of this works.
 */
export class WallClock {
  readonly #file: string;

  /** `file` holds by how many milliseconds it is off. */
  constructor(file: string) {
    this.#file = file;
  }

  get env(): Record<string, string> {
    return { NODE_OPTIONS: `--import=${PRELOAD}`, SHIFTED_DATE_FILE: this.#file };
  }

  /** How many milliseconds it is ahead of the real one from now on. */
  set(offsetMs: number): void {
    writeFileSync(this.#file, String(offsetMs));
  }

  reset(): void {
    rmSync(this.#file, { force: true });
  }
}
