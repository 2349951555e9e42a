import { spawnSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** Two segments of the log and some more. */
const VOLUME_MB = 256;
const BLOCK = Buffer.alloc(1024 * 1024);

/** A file system in memory that can be filled up. */
export class SmallVolume {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** undefined where it cannot be had: it needs Linux and root. */
  static mount(path: string): SmallVolume | undefined {
    if (smallVolumesMissing() !== undefined) return undefined;
    mkdirSync(path, { recursive: true });
    const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${VOLUME_MB}m`, 'tmpfs', path]);
    return status === 0 ? new SmallVolume(path) : undefined;
  }

  /** Until not a block is left. */
  fill(): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (const block of [BLOCK, BLOCK.subarray(0, 4096)]) while (fits(file, block));
    } finally {
      closeSync(file);
    }
  }

  release(): void {
    rmSync(this.#filler, { force: true });
  }

  remove(): void {
    spawnSync('umount', ['-l', this.#path]);
  }

  get #filler(): string {
    return join(this.#path, 'filler');
  }
}

function fits(file: number, block: Buffer): boolean {
  try {
    return writeSync(file, block) === block.length;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false;
    throw error;
  }
}

export function smallVolumesMissing(): string | undefined {
  if (process.platform !== 'linux') return 'a small volume is made with tmpfs, which needs Linux';
  if (process.getuid?.() !== 0) return 'a small volume (tmpfs) needs root';
  return undefined;
}
