import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FileSystem, IoDone } from '../../../src/ports/file-system.ts';

export interface FileSystemSubject {
  readonly fs: FileSystem;
  /** An existing, empty directory. */
  readonly dir: string;
  readonly cleanUp: () => void;
}

/** What every FileSystem does, whatever it stands on. */
export function describeFileSystem(name: string, make: () => FileSystemSubject): void {
  describe(`file system: ${name}`, () => {
    let subject: FileSystemSubject;
    let fs: FileSystem;
    let path: string;

    beforeEach(() => {
      subject = make();
      fs = subject.fs;
      path = `${subject.dir}/file`;
    });
    afterEach(() => subject.cleanUp());

    test('creates a file once, and lists it', () => {
      expect(fs.exists(path)).toBe(false);
      fs.open(path, 'create').close();
      expect(fs.exists(path)).toBe(true);
      expect(fs.list(subject.dir)).toEqual(['file']);
      expect(fs.sizeOf(path)).toBe(0);
      expect(codeOf(() => fs.open(path, 'create'))).toBe('EEXIST');
    });

    test('what is missing is ENOENT', () => {
      expect(codeOf(() => fs.open(path, 'read'))).toBe('ENOENT');
      expect(codeOf(() => fs.open(path, 'write'))).toBe('ENOENT');
      expect(codeOf(() => fs.remove(path))).toBe('ENOENT');
      expect(codeOf(() => fs.rename(path, `${path}2`))).toBe('ENOENT');
      expect(codeOf(() => fs.sizeOf(path))).toBe('ENOENT');
      expect(codeOf(() => fs.list(`${subject.dir}/none`))).toBe('ENOENT');
    });

    test('writes at any position; a gap reads as zeros, a read stops at the end', () => {
      const file = fs.open(path, 'create');
      file.write(bytes(1, 2, 3), 0);
      file.write(bytes(9), 6);
      expect(file.size()).toBe(7);
      const into = new Uint8Array(10).fill(0xff);
      expect(file.read(into, 0)).toBe(7);
      expect([...into]).toEqual([1, 2, 3, 0, 0, 0, 9, 0xff, 0xff, 0xff]);
      expect(file.read(into, 5)).toBe(2);
      expect(file.read(into, 7)).toBe(0);
      expect(file.read(into, 100)).toBe(0);
      file.close();
    });

    test('truncates and extends with zeros', () => {
      const file = fs.open(path, 'create');
      file.write(bytes(1, 2, 3, 4, 5), 0);
      file.truncate(2);
      expect(file.size()).toBe(2);
      file.truncate(1000);
      expect(file.size()).toBe(1000);
      const into = new Uint8Array(5);
      file.read(into, 0);
      expect([...into]).toEqual([1, 2, 0, 0, 0]);
      file.close();
    });

    test('opens for writing without losing what is there, and refuses to write what was opened to be read', () => {
      const file = fs.open(path, 'create');
      file.write(bytes(1, 2, 3), 0);
      file.close();
      const again = fs.open(path, 'write');
      again.write(bytes(7), 1);
      again.close();
      const reader = fs.open(path, 'read');
      const into = new Uint8Array(3);
      expect(reader.read(into, 0)).toBe(3);
      expect([...into]).toEqual([1, 7, 3]);
      expect(codeOf(() => reader.write(bytes(1), 0))).toBe('EBADF');
      reader.close();
    });

    test('a rename replaces its target, and open files follow', async () => {
      const old = fs.open(`${path}2`, 'create');
      old.write(bytes(1), 0);
      old.close();
      const file = fs.open(path, 'create');
      file.write(bytes(2), 0);
      fs.rename(path, `${path}2`);
      file.write(bytes(3), 1);
      file.writeDurable(bytes(4), 2);
      await outcome((done) => file.writeDurableAsync(bytes(5), 3, done));
      file.close();
      expect(fs.list(subject.dir)).toEqual(['file2']);
      expect(fs.sizeOf(`${path}2`)).toBe(4);
    });

    test('removes', () => {
      fs.open(path, 'create').close();
      fs.remove(path);
      expect(fs.list(subject.dir)).toEqual([]);
    });

    test('makes directories with their parents, and again without complaint', () => {
      fs.makeDir(`${subject.dir}/a/b`, 0o700);
      fs.makeDir(`${subject.dir}/a/b`, 0o700);
      fs.open(`${subject.dir}/a/b/c`, 'create').close();
      expect(fs.exists(`${subject.dir}/a`)).toBe(true);
      expect(fs.list(`${subject.dir}/a/b`)).toEqual(['c']);
    });

    test('syncs, and writes durably, in line and off the thread', async () => {
      const file = fs.open(path, 'create');
      file.write(bytes(1), 0);
      file.sync();
      expect(await outcome((done) => file.syncAsync(done))).toBeUndefined();
      file.writeDurable(bytes(2, 3), 1);
      const large = new Uint8Array(1 << 20).fill(4);
      expect(await outcome((done) => file.writeDurableAsync(large, 3, done))).toBeUndefined();
      expect(file.size()).toBe(3 + large.length);
      const into = new Uint8Array(5);
      file.read(into, 0);
      expect([...into]).toEqual([1, 2, 3, 4, 4]);
      fs.syncDir(subject.dir);
      expect(await outcome((done) => fs.syncDirAsync(subject.dir, done))).toBeUndefined();
      file.close();
    });

    test('removes off the thread', async () => {
      fs.open(path, 'create').close();
      expect(await outcome((done) => fs.removeAsync(path, done))).toBeUndefined();
      expect(fs.exists(path)).toBe(false);
      expect(await outcome((done) => fs.removeAsync(path, done))).toMatchObject({ code: 'ENOENT' });
    });

    test('never calls done from inside the call', async () => {
      const file = fs.open(path, 'create');
      const starts: ((done: IoDone) => void)[] = [
        (done) => file.syncAsync(done),
        (done) => file.writeDurableAsync(bytes(1), 0, done),
        (done) => fs.syncDirAsync(subject.dir, done),
        (done) => fs.removeAsync(`${subject.dir}/nothing`, () => done(undefined)),
      ];
      for (const start of starts) {
        let returned = false;
        const inside = outcome((done) => start(() => done(returned ? undefined : new Error('called from inside'))));
        returned = true;
        expect(await inside).toBeUndefined();
      }
      file.close();
    });

    test('a file closed during an operation still ends it', async () => {
      const file = fs.open(path, 'create');
      const ended = outcome((done) => file.writeDurableAsync(bytes(1, 2), 0, done));
      file.close();
      expect(await ended).toBeUndefined();
      expect(fs.sizeOf(path)).toBe(2);
    });
  });
}

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function outcome(start: (done: IoDone) => void): Promise<Error | undefined> {
  return new Promise((resolve) => start(resolve));
}

function codeOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}
