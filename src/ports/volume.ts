/** The volumes that a member's data lie on. */
export interface VolumeSpace {
  /** What this process may still write. */
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** How it looks now; undefined where the system does not say. */
export type LookAtVolume = () => VolumeSpace | undefined;
