/**
 * Keeps a reserve free on the volumes of the data. When writes have used up the rest, NOSPACE is raised as for the quota: then
 * there is still room for what gives space back (deletes, compaction) and for what was accepted before.
 */
import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import type { LookAtVolume } from '../ports/volume.ts';

/** A twentieth of the volume, no more than this. */
const RESERVE_BYTES_MAX = 128 * 1024 ** 2;
const RESERVE_SHARE = 1 / 20;
/** In between, what was let through since the last look counts. */
const LOOK_MS = 100;
/** What one byte of a request takes on disk, about: in the log, and in the database with the pages it touches. */
const WRITE_FACTOR = 3;
/** The smallest room for a commit of the database. */
const COMMIT_BYTES_MIN = 256 * 1024;

export interface VolumeGuardParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** One for each volume, by the directory that lies there. */
  readonly volumes: ReadonlyMap<string, LookAtVolume>;
  /** Accepted, and not in the database yet. */
  readonly pendingBytes: () => number;
}

export class VolumeGuard {
  readonly #parts: VolumeGuardParts;
  #lookedMs = -Infinity;
  /** Room above the reserve on the fullest volume, at the last look; and bare. */
  #roomBytes = Infinity;
  #freeBytes = Infinity;
  #grantedBytes = 0;
  #isShort = false;

  constructor(parts: VolumeGuardParts) {
    this.#parts = parts;
  }

  /** Whether a request that costs so much may still be let through. */
  hasRoom(costBytes: number): boolean {
    this.#look();
    const cost = costBytes * WRITE_FACTOR;
    const isShort = this.#grantedBytes + cost > this.#roomBytes - this.#parts.pendingBytes() * WRITE_FACTOR;
    if (!isShort) this.#grantedBytes += cost;
    if (isShort !== this.#isShort) this.#tell(isShort);
    return !isShort;
  }

  /** Whether what waits may be committed to the database: a commit that fails half-way ends the process. */
  hasRoomToCommit(): boolean {
    this.#look();
    return this.#freeBytes >= COMMIT_BYTES_MIN + 2 * this.#parts.pendingBytes();
  }

  #look(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (nowMs - this.#lookedMs < LOOK_MS) return;
    this.#lookedMs = nowMs;
    this.#grantedBytes = 0;
    this.#roomBytes = Infinity;
    this.#freeBytes = Infinity;
    for (const look of this.#parts.volumes.values()) {
      const space = look();
      if (space === undefined) continue;
      const reserveBytes = Math.min(RESERVE_BYTES_MAX, space.totalBytes * RESERVE_SHARE);
      this.#roomBytes = Math.min(this.#roomBytes, space.freeBytes - reserveBytes);
      this.#freeBytes = Math.min(this.#freeBytes, space.freeBytes);
    }
  }

  #tell(isShort: boolean): void {
    this.#isShort = isShort;
    const { logger, volumes } = this.#parts;
    const fields = { 'free-bytes': this.#freeBytes, directories: [...volumes.keys()].join() };
    if (isShort) logger.warn('the volume of the data is nearly full', fields);
    else logger.info('the volume of the data has room again', fields);
  }
}
