/**
 * A file system in memory that forgets like a real one: what was not synced may be gone after a crash, sector by sector, and
 * so may names. Everything random comes from a seed.
 */
import { SeededRandom, type Random } from '../../src/base/random.ts';
import type { File, FileSystem, IoDone, OpenMode } from '../../src/ports/file-system.ts';

const SECTOR_BYTES = 512;

/** Thrown by every operation from the moment of a crash on, until crash() was called. Nothing may handle it as an I/O error. */
export class PowerLoss extends Error {
  override readonly name = 'PowerLoss';
}

export interface MemoryFileSystemOptions {
  readonly seed?: number;
  /** Whether changes of a directory may get to the disk in any order: POSIX promises no more, journals do. */
  readonly unorderedNames?: boolean;
  /** Runs the end of an asynchronous operation later; the default: as a microtask. */
  readonly defer?: (run: () => void) => void;
}

/** Faults to come; change them at any time. */
export interface Faults {
  /** Code with which writes fail, and how many bytes still succeed before. */
  write: { code: string; afterBytes: number } | undefined;
  /** Code with which syncs and durable writes fail. */
  sync: string | undefined;
  /** Code with which files cannot be created. */
  create: string | undefined;
  /** Called in every sync and durable write: a slow disk moves a clock here. */
  onSync: (() => void) | undefined;
  /** The power goes at this operation: when `steps` reaches it. */
  powerLossAtStep: number | undefined;
}

export class MemoryFileSystem implements FileSystem {
  readonly faults: Faults = {
    write: undefined,
    sync: undefined,
    create: undefined,
    onSync: undefined,
    powerLossAtStep: undefined,
  };
  /** Operations so far that changed something, or made a change durable. */
  steps = 0;
  /** Syncs and durable writes so far. */
  syncs = 0;

  readonly #random: Random;
  readonly #unorderedNames: boolean;
  readonly #defer: (run: () => void) => void;
  readonly #dirs = new Map<string, Directory>();
  /** Goes up with each crash: handles and operations from before are dead. */
  #era = 0;
  #powerLost = false;

  constructor(options: MemoryFileSystemOptions = {}) {
    this.#random = new SeededRandom(options.seed ?? 1);
    this.#unorderedNames = options.unorderedNames ?? false;
    this.#defer = options.defer ?? queueMicrotask;
    this.#dirs.set('/', new Directory());
  }

  /** From the moment of a power loss until crash() is called. */
  get powerLost(): boolean {
    return this.#powerLost;
  }

  list(dir: string): string[] {
    this.#alive();
    return [...this.#dir(dir).names.keys()];
  }

  exists(path: string): boolean {
    this.#alive();
    const at = normal(path);
    return this.#dirs.has(at) || (this.#dirs.get(parentOf(at))?.names.has(nameOf(at)) ?? false);
  }

  makeDir(path: string, _mode: number): void {
    this.#step();
    const at = normal(path);
    if (this.#dirs.has(at)) return;
    if (!this.#dirs.has(parentOf(at))) this.makeDir(parentOf(at), _mode);
    this.#dirs.set(at, new Directory());
  }

  open(path: string, how: OpenMode): File {
    const at = normal(path);
    const dir = this.#dir(parentOf(at));
    let inode = dir.names.get(nameOf(at));
    if (how === 'create') {
      this.#step();
      if (inode !== undefined) throw failure('EEXIST', path);
      if (this.faults.create !== undefined) throw failure(this.faults.create, path);
      inode = new Inode();
      dir.change({ name: nameOf(at), inode });
    } else {
      this.#alive();
      if (inode === undefined) throw failure('ENOENT', path);
    }
    return new MemoryFile(inode, how === 'read', this.#disk());
  }

  rename(from: string, to: string): void {
    this.#step();
    const [source, target] = [normal(from), normal(to)];
    const inode = this.#dir(parentOf(source)).names.get(nameOf(source));
    if (inode === undefined) throw failure('ENOENT', from);
    if (parentOf(source) === parentOf(target)) {
      this.#dir(parentOf(source)).change({ name: nameOf(target), inode, replaces: nameOf(source) });
      return;
    }
    // Into another directory all or nothing survives: journals promise that much.
    const move: Move = { survives: undefined };
    this.#dir(parentOf(source)).change({ name: nameOf(source), inode: undefined, move });
    this.#dir(parentOf(target)).change({ name: nameOf(target), inode, move });
  }

  remove(path: string): void {
    this.#step();
    const at = normal(path);
    const dir = this.#dir(parentOf(at));
    if (!dir.names.has(nameOf(at))) throw failure('ENOENT', path);
    dir.change({ name: nameOf(at), inode: undefined });
  }

  removeAsync(path: string, done: IoDone): void {
    this.#later(() => this.remove(path), done);
  }

  sizeOf(path: string): number {
    this.#alive();
    const at = normal(path);
    const inode = this.#dir(parentOf(at)).names.get(nameOf(at));
    if (inode === undefined) throw failure('ENOENT', path);
    return inode.size;
  }

  syncDir(dir: string): void {
    this.#disk().sync(() => this.#dir(dir).sync());
  }

  syncDirAsync(dir: string, done: IoDone): void {
    this.#disk().syncLater(() => this.#dir(dir).sync(), done);
  }

  /**
   * The power went: keeps what was synced, and of the rest a random part. Directory changes are lost from some point on (see
   * unorderedNames);
   * sectors are lost one by one. Open files are dead afterwards, operations under way never end.
   */
  crash(): void {
    this.#era++;
    this.#powerLost = false;
    this.faults.powerLossAtStep = undefined;
    const inodes = new Set<Inode>();
    for (const dir of this.#dirs.values()) {
      dir.crash(this.#random, this.#unorderedNames);
      for (const inode of dir.names.values()) inodes.add(inode);
    }
    for (const inode of inodes) inode.crash(this.#random);
  }

  /** The process was killed: nothing is lost, but open files are dead and operations under way never end. */
  kill(): void {
    this.#era++;
    this.#powerLost = false;
    this.faults.powerLossAtStep = undefined;
  }

  /** The bytes of a file as a process sees them. */
  bytesOf(path: string): Uint8Array {
    const at = normal(path);
    const inode = this.#dir(parentOf(at)).names.get(nameOf(at));
    if (inode === undefined) throw failure('ENOENT', path);
    return inode.bytes.slice(0, inode.size);
  }

  #dir(path: string): Directory {
    this.#alive();
    const dir = this.#dirs.get(normal(path));
    if (dir === undefined) throw failure('ENOENT', path);
    return dir;
  }

  #disk(): Disk {
    const era = this.#era;
    const check = (): void => {
      if (era !== this.#era) throw failure('EBADF', 'file opened before a crash');
    };
    return {
      random: this.#random,
      faults: this.faults,
      read: () => {
        check();
        this.#alive();
      },
      step: () => {
        check();
        return this.#stepOrLose();
      },
      lose: () => {
        throw this.#lose();
      },
      sync: (run) => {
        check();
        this.#sync();
        run();
      },
      syncLater: (run, done) => {
        check();
        this.#alive();
        this.#later(() => {
          this.#sync();
          run();
        }, done);
      },
    };
  }

  /** What the thread pool does: never ends when the process or the power is gone before. */
  #later(run: () => void, done: IoDone): void {
    const era = this.#era;
    this.#defer(() => {
      if (era !== this.#era || this.#powerLost) return;
      let error: Error | undefined;
      try {
        run();
      } catch (caught) {
        if (caught instanceof PowerLoss) return;
        error = caught as Error;
      }
      done(error);
    });
  }

  #sync(): void {
    this.#step();
    this.syncs++;
    this.faults.onSync?.();
    if (this.faults.sync !== undefined) throw failure(this.faults.sync, 'sync');
  }

  #step(): void {
    if (!this.#stepOrLose()) throw this.#lose();
  }

  /** False: the power goes during this operation. */
  #stepOrLose(): boolean {
    this.#alive();
    this.steps++;
    return this.steps !== this.faults.powerLossAtStep;
  }

  #lose(): PowerLoss {
    this.#powerLost = true;
    return new PowerLoss('the power is gone');
  }

  #alive(): void {
    if (this.#powerLost) throw new PowerLoss('the power is gone');
  }
}

/** What a file needs of its file system. */
interface Disk {
  readonly random: Random;
  readonly faults: Faults;
  read(): void;
  /** Counts an operation; false: the power goes during it, and lose() must be called after doing part of it. */
  step(): boolean;
  lose(): never;
  sync(run: () => void): void;
  syncLater(run: () => void, done: IoDone): void;
}

class Inode {
  bytes = new Uint8Array(0);
  size = 0;
  /** The sectors whose last content is not on disk, and the content that is. */
  readonly #onDisk = new Map<number, Uint8Array>();
  #sizeOnDisk = 0;

  write(bytes: Uint8Array, position: number): void {
    const end = position + bytes.length;
    if (end > this.size) this.resize(end);
    this.#touch(position, end);
    this.bytes.set(bytes, position);
  }

  resize(size: number): void {
    const reach = Math.ceil(size / SECTOR_BYTES) * SECTOR_BYTES;
    if (reach > this.bytes.length) {
      const grown = new Uint8Array(Math.max(reach, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, this.size));
      this.bytes = grown;
    }
    if (size < this.size) {
      this.#touch(size, this.size);
      this.bytes.fill(0, size, this.size);
    }
    this.size = size;
  }

  sync(from = 0, to = Infinity): void {
    for (const sector of this.#onDisk.keys()) {
      if ((sector + 1) * SECTOR_BYTES > from && sector * SECTOR_BYTES < to) this.#onDisk.delete(sector);
    }
    this.#sizeOnDisk = this.size;
  }

  crash(random: Random): void {
    const reach = Math.max(this.size, this.#sizeOnDisk);
    if (random.below(2) === 0) this.size = this.#sizeOnDisk;
    if (reach > this.bytes.length) this.resize(this.size);
    for (const [sector, content] of this.#onDisk) {
      const at = sector * SECTOR_BYTES;
      if (random.below(2) === 0 && at < this.bytes.length) this.bytes.set(content, at);
    }
    this.bytes.fill(0, Math.min(this.size, this.bytes.length));
    this.#onDisk.clear();
    this.#sizeOnDisk = this.size;
  }

  /** Remembers what the disk has of the sectors from `from` to `to`, before they change. */
  #touch(from: number, to: number): void {
    for (let sector = Math.floor(from / SECTOR_BYTES); sector * SECTOR_BYTES < to; sector++) {
      if (this.#onDisk.has(sector)) continue;
      this.#onDisk.set(sector, this.bytes.slice(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES));
    }
  }
}

interface DirectoryChange {
  readonly name: string;
  /** undefined: removed. */
  readonly inode: Inode | undefined;
  readonly replaces?: string;
  readonly move?: Move;
}

/** Two changes of different directories that survive a crash together or not at all. */
interface Move {
  /** undefined: not decided yet. */
  survives: boolean | undefined;
}

class Directory {
  names = new Map<string, Inode>();
  #onDisk = new Map<string, Inode>();
  #changes: DirectoryChange[] = [];

  change(change: DirectoryChange): void {
    this.#changes.push(change);
    apply(this.names, change);
  }

  sync(): void {
    for (const { move } of this.#changes) if (move !== undefined) move.survives = true;
    this.#onDisk = new Map(this.names);
    this.#changes = [];
  }

  crash(random: Random, unordered: boolean): void {
    const end = unordered ? Infinity : random.below(this.#changes.length + 1);
    const kept = this.#changes.filter(({ move }, at) => {
      const survives = move?.survives ?? (unordered ? random.below(2) === 0 : at < end);
      if (move !== undefined) move.survives = survives;
      return survives;
    });
    for (const change of kept) apply(this.#onDisk, change);
    this.#changes = [];
    this.names = new Map(this.#onDisk);
  }
}

function apply(names: Map<string, Inode>, { name, inode, replaces }: DirectoryChange): void {
  if (replaces !== undefined) names.delete(replaces);
  if (inode === undefined) names.delete(name);
  else names.set(name, inode);
}

class MemoryFile implements File {
  readonly #inode: Inode;
  readonly #readOnly: boolean;
  readonly #disk: Disk;
  #closed = false;

  constructor(inode: Inode, readOnly: boolean, disk: Disk) {
    this.#inode = inode;
    this.#readOnly = readOnly;
    this.#disk = disk;
  }

  read(into: Uint8Array, position: number): number {
    this.#usable(false);
    this.#disk.read();
    const found = this.#inode.bytes.subarray(position, Math.min(this.#inode.size, position + into.length));
    into.set(found);
    return found.length;
  }

  write(bytes: Uint8Array, position: number): void {
    this.#usable(true);
    this.#write(bytes, position);
  }

  #write(bytes: Uint8Array, position: number): void {
    if (!this.#disk.step()) {
      this.#inode.write(bytes.subarray(0, wholeSectors(position, this.#disk.random.below(bytes.length + 1))), position);
      this.#disk.lose();
    }
    this.#put(bytes, position);
  }

  truncate(lengthBytes: number): void {
    this.#usable(true);
    if (!this.#disk.step()) this.#disk.lose();
    this.#inode.resize(lengthBytes);
  }

  size(): number {
    this.#usable(false);
    this.#disk.read();
    return this.#inode.size;
  }

  sync(): void {
    this.#usable(false);
    this.#disk.sync(() => this.#inode.sync());
  }

  syncAsync(done: IoDone): void {
    this.#usable(false);
    this.#disk.syncLater(() => this.#inode.sync(), done);
  }

  writeDurable(bytes: Uint8Array, position: number): void {
    this.write(bytes, position);
    this.#disk.sync(() => this.#inode.sync(position, position + bytes.length));
  }

  writeDurableAsync(bytes: Uint8Array, position: number, done: IoDone): void {
    this.#usable(true);
    const before = bytes.slice();
    let outcome: Error | 'written' | undefined;
    const write = (): void => {
      try {
        this.#write(bytes, position);
        outcome = 'written';
      } catch (error) {
        if (error instanceof PowerLoss) throw error;
        outcome = error as Error;
      }
    };
    // The bytes may get there at any time until the end. If the power goes meanwhile, the operation has none.
    try {
      if (this.#disk.random.below(2) === 0) write();
    } catch {
      return;
    }
    this.#disk.syncLater(() => {
      if (Buffer.compare(before, bytes) !== 0) throw new Error('bytes changed while they were being written');
      if (outcome === undefined) write();
      if (outcome instanceof Error) throw outcome;
      this.#inode.sync(position, position + bytes.length);
    }, done);
  }

  close(): void {
    this.#closed = true;
  }

  #put(bytes: Uint8Array, position: number): void {
    const fault = this.#disk.faults.write;
    if (fault === undefined || fault.afterBytes >= bytes.length) {
      if (fault !== undefined) fault.afterBytes -= bytes.length;
      this.#inode.write(bytes, position);
      return;
    }
    this.#inode.write(bytes.subarray(0, wholeSectors(position, fault.afterBytes)), position);
    fault.afterBytes = 0;
    throw failure(fault.code, 'write');
  }

  #usable(toWrite: boolean): void {
    if (this.#closed || (toWrite && this.#readOnly)) throw failure('EBADF', 'file');
  }
}

/** The part of a write of `bytes` that ends with a sector: what becomes of one that is cut short. */
function wholeSectors(position: number, bytes: number): number {
  return Math.max(bytes - ((position + bytes) % SECTOR_BYTES), 0);
}

function failure(code: string, what: string): Error {
  return Object.assign(new Error(`${code}: ${what}`), { code });
}

function normal(path: string): string {
  return `/${path.split('/').filter(Boolean).join('/')}`;
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/')) || '/';
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
