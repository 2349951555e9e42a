/** The volumes that a member looks at before it accepts writes. */
import { dirname } from 'node:path';
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { LookAtVolume } from '../ports/volume.ts';
import { VolumeGuard } from '../server/volume-guard.ts';
import type { MemberState, Platform } from './member-state.ts';

/** undefined where the platform does not say what is free. */
export function volumeGuard(
  { volume }: Platform,
  { databaseDir, buffer }: MemberState,
  walDir: string,
  parts: { readonly clock: Clock; readonly logger: Logger },
): VolumeGuard | undefined {
  if (volume === undefined) return undefined;
  // Where the log is not elsewhere, one look is enough.
  const dirs = dirname(walDir) === dirname(databaseDir) ? [databaseDir] : [databaseDir, walDir];
  return new VolumeGuard({
    ...parts,
    volumes: new Map(dirs.map((dir): [string, LookAtVolume] => [dir, () => volume(dir)])),
    pendingBytes: () => buffer.bytes + buffer.flushingBytes,
  });
}
