import { beforeEach, describe, expect, test } from 'vitest';
import { toHex } from '../../../../src/base/bytes.ts';
import { encodeEntry, type EntryInit } from '../../../../src/gen/raftpb.ts';
import { silentLogger } from '../../../../src/ports/logger.ts';
import { segmentName } from '../../../../src/storage/wal/format.ts';
import { createWal, openWal, walExists } from '../../../../src/storage/wal/open.ts';
import type { Wal } from '../../../../src/storage/wal/wal.ts';
import type { WalOptions } from '../../../../src/storage/wal/wal-options.ts';
import { ManualClock } from '../../../support/manual-clock.ts';
import { ManualLoop } from '../../../support/manual-loop.ts';
import { MemoryFileSystem } from '../../../support/memory-file-system.ts';
import { WalBytes } from './wal-bytes.ts';

const DIR = '/data/member/wal';
const IDS = { nodeID: 7n, clusterID: 9n };

let loop: ManualLoop;
let fs: MemoryFileSystem;
let calls: string[];
/** Of the tests that wait; the others' stands still. */
let clock: ManualClock;

beforeEach(() => {
  loop = new ManualLoop();
  fs = new MemoryFileSystem({ defer: loop.defer });
  fs.makeDir('/data/member', 0o700);
  calls = [];
  clock = new ManualClock();
});

function options(more: Partial<WalOptions> = {}): WalOptions {
  return {
    fs,
    dir: DIR,
    clock: loop,
    logger: silentLogger,
    schedule: loop.defer,
    fillAhead: false,
    inlineSync: false,
    segmentBytes: 64_000,
    ...more,
  };
}

function entry(index: number, dataBytes = 20): EntryInit {
  return { term: 1, index, data: new Uint8Array(dataBytes).fill(index) };
}

/** A done that notes its name, and the error if there is one. */
function note(name: string): (error?: Error) => void {
  return (error) => calls.push(error === undefined ? name : `${name}: ${error.message}`);
}

function append(wal: Wal, index: number, dataBytes?: number): void {
  wal.append(undefined, [entry(index, dataBytes)], true, note(`entry ${index}`));
}

/** All that one turn of the loop started runs; what that starts does not. */
function turn(): void {
  for (let left = loop.size; left > 0; left--) loop.run();
}

describe('group commit', () => {
  test('what is appended during a sync goes out with the next one, whatever its number', () => {
    const wal = createWal(options(), IDS);
    const before = fs.syncs;
    append(wal, 1);
    turn();
    expect(calls).toEqual([]);
    for (let index = 2; index <= 1001; index++) append(wal, index);
    turn();
    expect(calls).toEqual(['entry 1']);
    expect(fs.syncs).toBe(before + 1);
    loop.runAll();
    expect(calls.length).toBe(1001);
    expect(calls.at(-1)).toBe('entry 1001');
    expect(fs.syncs).toBe(before + 2);
  });

  test.each([true, false])('nothing is reported from inside a call; inline: %s', (inlineSync) => {
    const wal = createWal(options({ inlineSync }), IDS);
    for (let index = 1; index <= 20; index++) {
      append(wal, index);
      expect(calls.length).toBe(index - 1);
      loop.runAll();
      expect(calls.length).toBe(index);
    }
    fs.crash();
    expect(openWal(options(), 0).log.entries.length).toBe(20);
  });

  test('what a report appends goes out as well', () => {
    for (const inlineSync of [true, false]) {
      const wal = createWal(options({ inlineSync, dir: `${DIR}-${inlineSync}` }), IDS);
      const next = (index: number): void => {
        wal.append(undefined, [entry(index)], true, () => {
          calls.push(`entry ${index}`);
          if (index < 50) next(index + 1);
        });
      };
      calls = [];
      next(1);
      loop.runAll();
      expect(calls.length).toBe(50);
    }
  });

  test('reports come in the order of the calls, across kinds', () => {
    const wal = createWal(options(), IDS);
    append(wal, 1);
    turn();
    wal.append({ term: 1, vote: 7n, commit: 1 }, [], false, note('commit 1'));
    wal.markSnapshot({ index: 1, term: 1 }, note('mark 1'));
    append(wal, 2);
    wal.append({ term: 1, vote: 7n, commit: 2 }, [], false, note('commit 2'));
    wal.close(note('close'));
    loop.runAll();
    expect(calls).toEqual(['entry 1', 'commit 1', 'mark 1', 'entry 2', 'commit 2', 'close']);
  });

  test('bytes are taken during the call', () => {
    const wal = createWal(options(), IDS);
    const data = new Uint8Array(20).fill(5);
    const state = { term: 1, vote: 7n, commit: 0 };
    wal.append(state, [{ term: 1, index: 1, data }], true, note('entry 1'));
    data.fill(6);
    state.term = 9;
    wal.close(note('close'));
    loop.runAll();
    const { log } = openWal(options(), undefined);
    expect(log.entries[0]?.data).toEqual(new Uint8Array(20).fill(5));
    expect(log.hardState.term).toBe(1);
  });
});

describe('the commit index', () => {
  test('does not wait for the disk, and is written with what comes next', () => {
    const wal = createWal(options(), IDS);
    append(wal, 1);
    loop.runAll();
    const { syncs, steps } = fs;
    wal.append({ term: 1, vote: 7n, commit: 1 }, [], false, note('commit 1'));
    loop.runAll();
    expect(calls).toEqual(['entry 1', 'commit 1']);
    expect([fs.syncs, fs.steps]).toEqual([syncs, steps]);
    append(wal, 2);
    loop.runAll();
    fs.crash();
    expect(openWal(options(), undefined).log.hardState).toEqual({ term: 1, vote: 7n, commit: 1 });
  });

  test('is written by close', () => {
    const wal = createWal(options(), IDS);
    append(wal, 1);
    wal.append({ term: 1, vote: 7n, commit: 1 }, [], false, note('commit 1'));
    wal.close(note('close'));
    loop.runAll();
    fs.crash();
    expect(openWal(options(), undefined).log.hardState.commit).toBe(1);
  });

  test('is there before a mark that needs it', () => {
    const wal = createWal(options(), IDS);
    append(wal, 1);
    wal.append({ term: 1, vote: 7n, commit: 1 }, [], false, note('commit 1'));
    wal.markSnapshot({ index: 1, term: 1 }, note('mark 1'));
    loop.runAll();
    fs.crash();
    expect(openWal(options(), undefined).log).toMatchObject({ start: { index: 1 }, hardState: { commit: 1 } });
  });

  test('a new term or vote does wait for the disk', () => {
    const wal = createWal(options(), IDS);
    wal.append({ term: 3, vote: 7n, commit: 0 }, [], true, note('vote'));
    loop.runAll();
    expect(calls).toEqual(['vote']);
    fs.crash();
    expect(openWal(options(), undefined).log.hardState).toEqual({ term: 3, vote: 7n, commit: 0 });
  });
});

describe('files', () => {
  const names = (): string[] =>
    fs
      .list(DIR)
      .filter((name) => name.endsWith('.wal'))
      .sort((a, b) => (a < b ? -1 : 1));

  test('a full file is followed by one that repeats metadata and state', () => {
    const wal = createWal(options({ segmentBytes: 1000 }), IDS);
    wal.append({ term: 2, vote: 7n, commit: 0 }, [entry(1, 1200)], true, note('entry 1'));
    append(wal, 2);
    append(wal, 3);
    wal.append({ term: 2, vote: 7n, commit: 2 }, [entry(4, 1200)], true, note('entry 4'));
    append(wal, 5);
    wal.close(note('close'));
    loop.runAll();
    expect(calls).toEqual(['entry 1', 'entry 2', 'entry 3', 'entry 4', 'entry 5', 'close']);
    expect(names()).toEqual([segmentName(0, 0).name, segmentName(1, 2).name, segmentName(2, 5).name]);

    const first = new WalBytes().head().mark(0, 0).entry(entry(1, 1200)).record(3, hardState(2, 0));
    const second = new WalBytes(first.crc).head().record(3, hardState(2, 0)).entry(entry(2)).entry(entry(3));
    second.entry(entry(4, 1200)).record(3, hardState(2, 2));
    const third = new WalBytes(second.crc).head().record(3, hardState(2, 2)).entry(entry(5));
    for (const [at, expected] of [first, second, third].entries()) {
      const bytes = fs.bytesOf(`${DIR}/${names()[at]}`);
      expect(toHex(bytes.subarray(0, expected.bytes.length))).toBe(toHex(expected.bytes));
      expect(bytes.length).toBe(Math.max(expected.bytes.length, 1000));
      expect(bytes.subarray(expected.bytes.length).every((byte) => byte === 0)).toBe(true);
    }
    expect(openWal(options(), 0).log.entries.length).toBe(5);
  });

  test('one group may fill several files', () => {
    const wal = createWal(options({ segmentBytes: 500 }), IDS);
    for (let index = 1; index <= 10; index++) append(wal, index, 500);
    loop.runAll();
    expect(calls.length).toBe(10);
    expect(names().length).toBe(10);
    fs.crash();
    expect(openWal(options(), 0).log.entries.length).toBe(10);
  });

  test('the next file is prepared half-way, and the preparation goes away with close', () => {
    const wal = createWal(options({ segmentBytes: 1000, fillAhead: true }), IDS);
    append(wal, 1);
    loop.runAll();
    expect(fs.list(DIR)).toEqual([segmentName(0, 0).name]);
    append(wal, 2, 500);
    loop.runAll();
    expect(fs.list(DIR)).toEqual([segmentName(0, 0).name, '1.tmp']);
    expect(fs.sizeOf(`${DIR}/1.tmp`)).toBe(1000);
    wal.close(note('close'));
    loop.runAll();
    expect(fs.list(DIR)).toEqual([segmentName(0, 0).name]);
  });

  test('temporary files of a process that died are removed', () => {
    createWal(options(), IDS).close(note('close'));
    loop.runAll();
    fs.open(`${DIR}/0.tmp`, 'create');
    fs.open(`${DIR}/1.tmp`, 'create');
    openWal(options(), undefined);
    expect(fs.list(DIR)).toEqual([segmentName(0, 0).name]);
  });

  test('a log is not created over another, and one that was not finished does not count', () => {
    fs.makeDir(DIR, 0o700);
    fs.open(`${DIR}/0.tmp`, 'create');
    expect(walExists(options())).toBe(false);
    createWal(options(), IDS);
    expect(walExists(options())).toBe(true);
    expect(() => createWal(options(), IDS)).toThrow('there is a WAL in /data/member/wal already');
  });

  test('a file has its name only when its head is on disk', () => {
    for (let step = 1; ; step++) {
      fs = new MemoryFileSystem({ seed: step, defer: loop.defer });
      fs.makeDir('/data/member', 0o700);
      fs.faults.powerLossAtStep = fs.steps + step;
      let created = true;
      try {
        createWal(options(), IDS);
      } catch {
        created = false;
      }
      fs.crash();
      const exists = walExists(options());
      expect(exists || !created).toBe(true);
      // Throws when something is missing.
      if (exists) openWal(options(), undefined);
      if (created) return;
    }
  });

  describe('release', () => {
    /** One entry per file: file n begins with entry n + 1. */
    function ten(filesMax: number): Wal {
      const wal = createWal(options({ segmentBytes: 500, filesMax }), IDS);
      for (let index = 1; index <= 10; index++) append(wal, index, 500);
      wal.append({ term: 1, vote: 7n, commit: 10 }, [], false, note('commit'));
      loop.runAll();
      return wal;
    }

    function mark(wal: Wal, index: number): void {
      wal.markSnapshot({ index, term: 1 }, note(`mark ${index}`));
      loop.runAll();
    }

    test('deletes what neither the index nor the newest mark needs', () => {
      const wal = ten(1);
      wal.release(9);
      expect(names().length).toBe(10);
      mark(wal, 6);
      wal.release(9);
      expect(names()[0]).toBe(segmentName(5, 6).name);
      expect(openWal(options(), undefined).log.start.index).toBe(6);
      mark(wal, 9);
      wal.release(7);
      expect(names()[0]).toBe(segmentName(6, 7).name);
    });

    test('keeps the newest files, as many as it is told', () => {
      const wal = ten(4);
      mark(wal, 9);
      wal.release(9);
      expect(names().length).toBe(4);
      expect(openWal(options(), undefined).log.start.index).toBe(9);
    });

    test('keeps all when told 0', () => {
      const wal = ten(0);
      mark(wal, 10);
      wal.release(10);
      expect(names().length).toBe(11);
    });

    test('waits for the mark to be on disk', () => {
      const wal = ten(1);
      wal.markSnapshot({ index: 9, term: 1 }, note('mark 9'));
      turn();
      wal.release(9);
      expect(names().length).toBeGreaterThanOrEqual(10);
    });
  });
});

describe('a disk that fails', () => {
  test.each(['EIO', 'ENOSPC'])('%s in a write: everything gets the error, and nothing is written again', (code) => {
    for (const inlineSync of [false, true]) {
      loop = new ManualLoop();
      fs = new MemoryFileSystem({ defer: loop.defer });
      fs.makeDir('/data/member', 0o700);
      calls = [];
      const wal = createWal(options({ inlineSync }), IDS);
      append(wal, 1);
      loop.runAll();
      fs.faults.write = { code, afterBytes: 10 };
      append(wal, 2);
      turn();
      append(wal, 3);
      loop.runAll();
      fs.faults.write = undefined;
      const { steps } = fs;
      append(wal, 4);
      wal.markSnapshot({ index: 1, term: 1 }, note('mark'));
      wal.append({ term: 1, vote: 7n, commit: 1 }, [], false, note('commit'));
      wal.close(note('close'));
      loop.runAll();
      const why = `failed to write the WAL in ${DIR}: ${code}: write`;
      expect(calls).toEqual([
        'entry 1',
        ...['entry 2', 'entry 3', 'entry 4', 'mark', 'commit', 'close'].map((name) => `${name}: ${why}`),
      ]);
      expect(fs.steps).toBe(steps);
      expect(openWal(options(), 0).log.entries.length).toBe(1);
    }
  });

  test.each([false, true])(
    'a full disk is waited for, inline %s: written in order once there is room',
    (inlineSync) => {
      let times = 0;
      const wal = createWal(options({ inlineSync, clock, onDiskFull: () => times++ }), IDS);
      append(wal, 1);
      loop.runAll();
      fs.faults.write = { code: 'ENOSPC', afterBytes: 10 };
      append(wal, 2);
      turn();
      append(wal, 3);
      for (let i = 0; i < 3; i++) {
        loop.runAll();
        clock.advance(500);
      }
      expect([calls, times > 2]).toEqual([['entry 1'], true]);
      fs.faults.write = undefined;
      for (let i = 0; i < 3; i++) {
        loop.runAll();
        clock.advance(500);
      }
      wal.close(note('close'));
      loop.runAll();
      expect(calls).toEqual(['entry 1', 'entry 2', 'entry 3', 'close']);
      expect(openWal(options(), 0).log.entries.map(({ index }) => index)).toEqual([1, 2, 3]);
    },
  );

  test('a next file for which there is no room is waited for', () => {
    const wal = createWal(options({ segmentBytes: 500, clock, onDiskFull: () => {} }), IDS);
    fs.faults.create = 'ENOSPC';
    append(wal, 1, 600);
    loop.runAll();
    append(wal, 2);
    loop.runAll();
    clock.advance(500);
    loop.runAll();
    expect(calls).toEqual(['entry 1']);
    fs.faults.create = undefined;
    clock.advance(500);
    loop.runAll();
    expect(calls).toEqual(['entry 1', 'entry 2']);
  });

  test('closing does not wait for room', () => {
    const wal = createWal(options({ clock, onDiskFull: () => {} }), IDS);
    fs.faults.write = { code: 'ENOSPC', afterBytes: 0 };
    append(wal, 1);
    loop.runAll();
    wal.close(note('close'));
    clock.advance(500);
    loop.runAll();
    const why = `failed to write the WAL in ${DIR}: ENOSPC: write`;
    expect(calls).toEqual([`entry 1: ${why}`, `close: ${why}`]);
  });

  test('a failed sync is never tried again', () => {
    const wal = createWal(options(), IDS);
    fs.faults.sync = 'EIO';
    append(wal, 1);
    turn();
    append(wal, 2);
    loop.runAll();
    fs.faults.sync = undefined;
    const { syncs } = fs;
    append(wal, 3);
    loop.runAll();
    const why = `failed to write the WAL in ${DIR}: EIO: sync`;
    expect(calls).toEqual([`entry 1: ${why}`, `entry 2: ${why}`, `entry 3: ${why}`]);
    expect(fs.syncs).toBe(syncs);
  });

  test('no room for the next file fails the group that needs it, after those that did not', () => {
    const wal = createWal(options({ segmentBytes: 500 }), IDS);
    fs.faults.create = 'ENOSPC';
    append(wal, 1, 600);
    loop.runAll();
    append(wal, 2);
    append(wal, 3);
    loop.runAll();
    expect(calls.length).toBe(3);
    expect(calls[0]).toBe('entry 1');
    expect(calls[1]).toMatch(/^entry 2: failed to write the WAL in .*ENOSPC/);
    expect(calls[2]).toMatch(/^entry 3: failed/);
    fs.faults.create = undefined;
    expect(openWal(options(), 0).log.entries.length).toBe(1);
  });

  test('a next file that could not be prepared is tried again when it is needed', () => {
    const wal = createWal(options({ segmentBytes: 500 }), IDS);
    fs.faults.create = 'ENOSPC';
    append(wal, 1, 300);
    loop.runAll();
    fs.faults.create = undefined;
    append(wal, 2, 300);
    append(wal, 3, 300);
    loop.runAll();
    expect(calls).toEqual(['entry 1', 'entry 2', 'entry 3']);
  });
});

describe('what etcd writes', () => {
  /** The first 288 bytes of the WAL of an etcd 3.5.30 with one member. */
  const GOLDEN =
    '040000000000008408041000000000001f00000000000081080110adb5aeb20b1a1508e7c5dcf8e1dc97aa0a10f891a1a6d2b18af2d101000e00000000000082' +
    '080510bcc5aed5011a040800100000007200000000000086080210a585a6ef0f1a6808011001180122600800100018e7c5dcf8e1dc97aa0a22507b226964223a' +
    '3734343332343138303838303037333434372c227065657255524c73223a5b22687474703a2f2f3132372e302e302e313a3338323332225d2c226e616d65223a' +
    '2264656661756c74227d0000000000001000000000000000080310a79dcbb80b1a0608011000180110000000000000000802109e94e5cd0f1a06080010021802' +
    '1800000000000000080310fdc286dd0d1a0e080210e7c5dcf8e1dc97aa0a1802';

  test('comes out byte for byte when the same calls are made', () => {
    const nodeID = 744324180880073447n;
    const wal = createWal(options(), { nodeID, clusterID: 15124259134801201400n });
    const context = Buffer.from('{"id":744324180880073447,"peerURLs":["http://127.0.0.1:38232"],"name":"default"}');
    const join = Buffer.concat([
      Buffer.from('0800100018e7c5dcf8e1dc97aa0a22', 'hex'),
      Buffer.from([context.length]),
      context,
    ]);
    wal.append({ term: 1, vote: 0n, commit: 1 }, [{ type: 1, term: 1, index: 1, data: join }], true, note('join'));
    wal.append({ term: 2, vote: nodeID, commit: 2 }, [{ term: 2, index: 2 }], true, note('empty'));
    loop.runAll();
    expect(toHex(fs.bytesOf(`${DIR}/${segmentName(0, 0).name}`).subarray(0, 288))).toBe(GOLDEN);
    expect(toHex(encodeEntry({ term: 2, index: 2 }))).toBe('080010021802');
  });
});

function hardState(term: number, commit: number): Uint8Array {
  return new Uint8Array([8, term, 16, 7, 24, commit]);
}
