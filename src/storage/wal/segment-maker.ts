import type { FileSystem, IoDone } from '../../ports/file-system.ts';
import { TEMP_SUFFIX, type SegmentName } from './format.ts';
import { SegmentFile } from './segment-file.ts';

interface Prepared {
  readonly file: SegmentFile;
  readonly path: string;
}

/**
 * Makes the WAL's files. A file gets its name only when its first records are on disk, so a file with a WAL name is never
 * without its head. The next one can be prepared under a temporary name while the current one still fills up.
 */
export class SegmentMaker {
  readonly #fs: FileSystem;
  readonly #dir: string;
  readonly #segmentBytes: number;
  readonly #fillAllowed: boolean;
  #prepared: Prepared | undefined;

  constructor(fs: FileSystem, dir: string, segmentBytes: number, fillAllowed: boolean) {
    this.#fs = fs;
    this.#dir = dir;
    this.#segmentBytes = segmentBytes;
    this.#fillAllowed = fillAllowed;
  }

  /** Creates the file with sequence number `seq` ahead of time. Throws what the file system throws. */
  prepare(seq: number): void {
    this.#prepared ??= this.#create(seq);
  }

  /** Makes `segment` with `head` as its first bytes; it is the newest file from then on, durably. */
  make(segment: SegmentName, head: Uint8Array, done: (error: Error | undefined, file?: SegmentFile) => void): void {
    let prepared: Prepared;
    try {
      prepared = this.#prepared ?? this.#create(segment.seq);
    } catch (error) {
      return done(asError(error));
    }
    this.#prepared = undefined;
    const { file, path } = prepared;
    const ended: IoDone = (error) => {
      if (error === undefined) done(undefined, file);
      else file.close(() => done(error));
    };
    file.write(head, (error) => {
      if (error !== undefined) return ended(error);
      try {
        this.#fs.rename(path, `${this.#dir}/${segment.name}`);
      } catch (renameError) {
        return ended(asError(renameError));
      }
      this.#fs.syncDirAsync(this.#dir, ended);
    });
  }

  /** Removes what was prepared for nothing. */
  close(done: () => void): void {
    const prepared = this.#prepared;
    if (prepared === undefined) return done();
    this.#prepared = undefined;
    prepared.file.close(() => {
      try {
        this.#fs.remove(prepared.path);
      } catch {
        // The next start removes it.
      }
      done();
    });
  }

  #create(seq: number): Prepared {
    const path = `${this.#dir}/${seq}${TEMP_SUFFIX}`;
    if (this.#fs.exists(path)) this.#fs.remove(path);
    const file = this.#fs.open(path, 'create');
    try {
      file.truncate(this.#segmentBytes);
    } catch (error) {
      file.close();
      throw error;
    }
    const segment = new SegmentFile(file, 0, this.#segmentBytes, this.#fillAllowed);
    segment.fillAhead();
    return { file: segment, path };
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
