import { statfsSync } from 'node:fs';
import type { VolumeSpace } from '../ports/volume.ts';

/** Of the volume that holds `dir`. Some microseconds: the kernel has the numbers at hand. */
export function volumeSpace(dir: string): VolumeSpace | undefined {
  try {
    const { bavail, blocks, bsize } = statfsSync(dir);
    return blocks > 0 ? { freeBytes: bavail * bsize, totalBytes: blocks * bsize } : undefined;
  } catch {
    return undefined;
  }
}
