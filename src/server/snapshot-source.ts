/** Where Maintenance.Snapshot gets a consistent copy of the database from. */
export interface SnapshotSource {
  /** A copy of everything applied when it was called. */
  open(): Promise<DatabaseSnapshot>;
}

export interface DatabaseSnapshot {
  /** A multiple of 512. */
  readonly sizeBytes: number;
  /** The version of the storage schema, `3.6.0`. */
  readonly version: string;
  /** The file from start to end, in chunks of at most 32 KiB. */
  chunks(): AsyncIterable<Uint8Array>;
  /** Of all bytes; only after the last chunk. */
  sha256(): Uint8Array;
  /** Removes the copy. */
  close(): void;
}
