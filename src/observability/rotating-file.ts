/**
 * A log file that makes way for a new one when it is full (--enable-log-rotation), under the names that lumberjack, and so
 * etcd, gives: etcd.log, etcd-2026-01-31T23-59-59.123.log, and .gz behind that when compressed. Lines are written at once, as
 * everywhere in the log; only old files are dealt with in the background.
 */
import fs from 'node:fs';
import { basename, dirname, extname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import type { LogOutput } from './log-output.ts';

export interface RotationOptions {
  /** Size from which the file makes way. */
  readonly sizeBytesMax: number;
  /** Older backups are deleted; 0: none is for its age. */
  readonly ageMsMax: number;
  /** Backups beyond this many are deleted, the oldest first; 0: any number is kept. */
  readonly backupsMax: number;
  /** Names carry local time, else UTC. */
  readonly localTime: boolean;
  readonly compress: boolean;
}

const FILE_MODE = 0o600;
const DIR_MODE = 0o755;
const COMPRESSED_SUFFIX = '.gz';
const STAMP = /^(\d{4})-(\d\d)-(\d\d)T(\d\d)-(\d\d)-(\d\d)\.(\d{3})$/;

interface Backup {
  readonly path: string;
  readonly timeMs: number;
  readonly isCompressed: boolean;
}

export class RotatingFile implements LogOutput {
  readonly #path: string;
  readonly #options: RotationOptions;
  readonly #nowMs: () => number;
  #fd: number;
  #bytes: number;
  /** Where the next rotation comes; later than the option says after one that failed. */
  #limitBytes: number;
  /** Tidying up under way, and whether there was another rotation since it began. */
  #tidying: Promise<void> | undefined;
  #tidyAgain = false;

  /** Goes on with a file that is there; creates it, and its directory, otherwise. Throws what the file system throws. */
  constructor(path: string, options: RotationOptions, nowMs: () => number = Date.now) {
    this.#path = path;
    this.#options = options;
    this.#nowMs = nowMs;
    this.#limitBytes = options.sizeBytesMax;
    fs.mkdirSync(dirname(path), { recursive: true, mode: DIR_MODE });
    this.#fd = fs.openSync(path, 'a', FILE_MODE);
    this.#bytes = fs.fstatSync(this.#fd).size;
    this.#tidy();
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#bytes > 0 && this.#bytes + bytes.length > this.#limitBytes) this.#rotate();
    try {
      for (let at = 0; at < bytes.length;) at += fs.writeSync(this.#fd, bytes, at);
      this.#bytes += bytes.length;
    } catch {
      // A log that cannot be written is not worth dying for.
    }
  }

  flush(): void {}

  /** Resolves when old files are compressed and deleted. */
  async tidied(): Promise<void> {
    while (this.#tidying !== undefined) await this.#tidying;
  }

  #rotate(): void {
    try {
      const { mode } = fs.fstatSync(this.#fd);
      // Somebody else may have moved it.
      if (fs.existsSync(this.#path)) fs.renameSync(this.#path, this.#newBackupPath());
      const fd = fs.openSync(this.#path, 'a', mode & 0o777);
      fs.closeSync(this.#fd);
      this.#fd = fd;
      this.#bytes = 0;
      this.#limitBytes = this.#options.sizeBytesMax;
    } catch {
      // Better a file that is too long than no log; tried again when it has grown by as much again.
      this.#limitBytes = this.#bytes + this.#options.sizeBytesMax;
      return;
    }
    this.#tidy();
  }

  /** Two rotations in one millisecond must not share a name. */
  #newBackupPath(): string {
    const { dir, prefix, extension } = this.#names();
    for (let timeMs = this.#nowMs(); ; timeMs++) {
      const path = join(dir, prefix + stampOf(new Date(timeMs), this.#options.localTime) + extension);
      if (!fs.existsSync(path) && !fs.existsSync(path + COMPRESSED_SUFFIX)) return path;
    }
  }

  #names(): { dir: string; prefix: string; extension: string } {
    const extension = extname(this.#path);
    return { dir: dirname(this.#path), prefix: `${basename(this.#path, extension)}-`, extension };
  }

  #tidy(): void {
    if (this.#tidying !== undefined) {
      this.#tidyAgain = true;
      return;
    }
    this.#tidying = this.#tidyNow()
      .catch(() => {})
      .then(() => {
        this.#tidying = undefined;
        if (!this.#tidyAgain) return;
        this.#tidyAgain = false;
        this.#tidy();
      });
  }

  async #tidyNow(): Promise<void> {
    const { ageMsMax, backupsMax, compress } = this.#options;
    if (ageMsMax === 0 && backupsMax === 0 && !compress) return;
    const backups = await this.#backups();
    const isKept = ({ timeMs }: Backup, index: number): boolean =>
      (backupsMax === 0 || index < backupsMax) && (ageMsMax === 0 || this.#nowMs() - timeMs <= ageMsMax);
    for (const [index, backup] of backups.entries()) {
      if (!isKept(backup, index)) await fs.promises.rm(backup.path, { force: true });
      else if (compress && !backup.isCompressed) await compressFile(backup.path);
    }
  }

  /** The newest first. */
  async #backups(): Promise<Backup[]> {
    const { dir, prefix, extension } = this.#names();
    const names = await fs.promises.readdir(dir);
    return names
      .flatMap((name): Backup[] => {
        const isCompressed = name.endsWith(extension + COMPRESSED_SUFFIX);
        const end = isCompressed ? extension + COMPRESSED_SUFFIX : extension;
        if (!name.startsWith(prefix) || !name.endsWith(end)) return [];
        const timeMs = timeOf(name.slice(prefix.length, name.length - end.length), this.#options.localTime);
        return timeMs === undefined ? [] : [{ path: join(dir, name), timeMs, isCompressed }];
      })
      .sort((a, b) => b.timeMs - a.timeMs);
  }
}

/** What is not complete is under no name that counts as a backup; a crash leaves the original. */
async function compressFile(path: string): Promise<void> {
  const temporary = `${path}${COMPRESSED_SUFFIX}.tmp`;
  try {
    await pipeline(
      fs.createReadStream(path),
      createGzip(),
      fs.createWriteStream(temporary, { mode: (await fs.promises.stat(path)).mode & 0o777 }),
    );
    await fs.promises.rename(temporary, path + COMPRESSED_SUFFIX);
    await fs.promises.rm(path);
  } catch {
    await fs.promises.rm(temporary, { force: true });
  }
}

function stampOf(time: Date, localTime: boolean): string {
  const shifted = localTime ? new Date(time.getTime() - time.getTimezoneOffset() * 60_000) : time;
  return shifted.toISOString().slice(0, -1).replaceAll(':', '-');
}

/** undefined for what is no such stamp. */
function timeOf(stamp: string, localTime: boolean): number | undefined {
  const match = STAMP.exec(stamp);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, ms = 0] = match.slice(1).map(Number);
  return localTime
    ? new Date(year, month - 1, day, hour, minute, second, ms).getTime()
    : Date.UTC(year, month - 1, day, hour, minute, second, ms);
}
