/** The WAL cannot be used as it is; the message says which file, where, and why. */
export class WalError extends Error {
  override readonly name: string = 'WalError';
}

/** A file holds what no crash can have left there. Nothing is repaired: a human has to decide. */
export class WalCorruptError extends WalError {
  override readonly name = 'WalCorruptError';
  readonly path: string;
  readonly offset: number;

  constructor(path: string, offset: number, why: string) {
    super(`WAL file ${path} is corrupt at offset ${offset}: ${why}`);
    this.path = path;
    this.offset = offset;
  }
}

/** A write or a sync failed: what is on disk is unknown, so the log takes nothing more until it is opened again. */
export class WalFailedError extends WalError {
  override readonly name = 'WalFailedError';
}
