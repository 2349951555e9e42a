/**
 * The measurements behind docs/adr/0001-wal-sync.md: what a durable append costs, by way of writing and by preallocation,
 * and what the log makes of it. Rounds of all variants alternate, and the best round of each counts: other load on the
 * machine can only make it worse.
 *
 *   node bench/wal-sync.ts [raw|log|load|read ...]
 */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeClock } from '../src/platform/node-clock.ts';
import { NodeFileSystem } from '../src/platform/node-file-system.ts';
import { silentLogger } from '../src/ports/logger.ts';
import { createWal, openWal } from '../src/storage/wal/open.ts';
import type { Wal } from '../src/storage/wal/wal.ts';

const ROUNDS = 15;
const SEGMENT_BYTES = 64_000_000;
const ROOT = fs.mkdtempSync(join(tmpdir(), 'quorate-bench-'));

interface Latency {
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p99Us: number;
}

function nowUs(): number {
  return performance.now() * 1000;
}

function summary(samples: number[]): Latency {
  samples.sort((a, b) => a - b);
  const at = (fraction: number): number => samples[Math.floor(samples.length * fraction)] ?? 0;
  return { meanUs: samples.reduce((a, b) => a + b, 0) / samples.length, p50Us: at(0.5), p99Us: at(0.99) };
}

/** The best of the rounds: the highest of a rate, the lowest of a time. */
function best(key: string, values: number[]): number {
  return key.endsWith('PerSecond') ? Math.max(...values) : Math.min(...values);
}

/** Runs each variant ROUNDS times, in turn, and prints the best of each number. */
async function compare<T extends object>(title: string, variants: Record<string, () => Promise<T>>): Promise<void> {
  const results = new Map<string, T[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(variants)) results.set(name, [...(results.get(name) ?? []), await run()]);
  }
  console.log(`\n${title}`);
  for (const [name, rounds] of results) {
    const columns = Object.keys(rounds[0] ?? {}).map((key) => {
      const value = best(
        key,
        rounds.map((round) => (round as Record<string, number>)[key] ?? 0),
      );
      return `${key} ${value.toFixed(value < 10 ? 2 : 0)}`;
    });
    console.log(`  ${name.padEnd(44)}${columns.join('   ')}`);
  }
}

type Preallocation = 'none' | 'sparse' | 'zeros';

function makeFile(preallocation: Preallocation, flags: number): { fd: number; remove: () => void } {
  const path = join(ROOT, 'raw');
  let fd = fs.openSync(path, 'w+');
  if (preallocation !== 'none') fs.ftruncateSync(fd, SEGMENT_BYTES);
  if (preallocation === 'zeros') {
    const zeros = new Uint8Array(1 << 20);
    for (let at = 0; at < 24 << 20; at += zeros.length) fs.writeSync(fd, zeros, 0, zeros.length, at);
  }
  fs.fsyncSync(fd);
  fs.closeSync(fd);
  fd = fs.openSync(path, fs.constants.O_RDWR | flags);
  return { fd, remove: () => (fs.closeSync(fd), fs.unlinkSync(path)) };
}

type Append = (fd: number, bytes: Uint8Array, at: number) => void | Promise<void>;

const WAYS: Record<string, { flags: number; append: Append }> = {
  'write + fdatasync, inline': {
    flags: 0,
    append: (fd, bytes, at) => {
      fs.writeSync(fd, bytes, 0, bytes.length, at);
      fs.fdatasyncSync(fd);
    },
  },
  'O_DSYNC write, inline': {
    flags: fs.constants.O_DSYNC,
    append: (fd, bytes, at) => void fs.writeSync(fd, bytes, 0, bytes.length, at),
  },
  'write + fdatasync in the pool': {
    flags: 0,
    append: (fd, bytes, at) => {
      fs.writeSync(fd, bytes, 0, bytes.length, at);
      return new Promise((resolve, reject) => fs.fdatasync(fd, (error) => (error ? reject(error) : resolve())));
    },
  },
  'O_DSYNC write in the pool': {
    flags: fs.constants.O_DSYNC,
    append: (fd, bytes, at) =>
      new Promise((resolve, reject) => {
        fs.write(fd, bytes, 0, bytes.length, at, (error) => (error ? reject(error) : resolve()));
      }),
  },
};

async function raw(): Promise<void> {
  for (const size of [400, 4096, 65_536]) {
    const variants: Record<string, () => Promise<Latency>> = {};
    for (const preallocation of ['none', 'sparse', 'zeros'] as const) {
      for (const [name, { flags, append }] of Object.entries(WAYS)) {
        variants[`${preallocation.padEnd(8)}${name}`] = async () => {
          const { fd, remove } = makeFile(preallocation, flags);
          const bytes = new Uint8Array(size).fill(7);
          const samples: number[] = [];
          for (let i = 0; i < 200; i++) {
            const start = nowUs();
            await append(fd, bytes, i * size);
            samples.push(nowUs() - start);
            await new Promise((resolve) => setImmediate(resolve));
          }
          remove();
          return summary(samples);
        };
      }
    }
    await compare(`one append of ${size} bytes after the other`, variants);
  }
}

const MODES = {
  'adaptive, filled ahead': { inlineSync: true, fillAhead: true },
  'adaptive, sparse': { inlineSync: true, fillAhead: false },
  'pool only, filled ahead': { inlineSync: false, fillAhead: true },
  'pool only, sparse': { inlineSync: false, fillAhead: false },
};

let count = 0;

async function withWal<T>(
  mode: { inlineSync: boolean; fillAhead: boolean },
  run: (wal: Wal) => Promise<T>,
): Promise<T> {
  const dir = join(ROOT, `wal-${count++}`);
  const options = { fs: new NodeFileSystem(), clock: new NodeClock(), logger: silentLogger, dir, ...mode };
  const wal = createWal(options, { nodeID: 1n, clusterID: 2n });
  try {
    return await run(wal);
  } finally {
    await new Promise<void>((resolve) => wal.close(() => resolve()));
    fs.rmSync(dir, { recursive: true });
  }
}

/** One client that waits for its answer: append, done, a moment for the answer and the next request, and again. */
async function log(): Promise<void> {
  for (const size of [300, 3000]) {
    const variants: Record<string, () => Promise<Latency>> = {};
    for (const [name, mode] of Object.entries(MODES)) {
      variants[name] = () =>
        withWal(mode, async (wal) => {
          const data = new Uint8Array(size).fill(7);
          const samples: number[] = [];
          for (let index = 1; index <= 800; index++) {
            const start = nowUs();
            await new Promise<void>((resolve, reject) => {
              const state = { term: 1, vote: 1n, commit: index - 1 };
              wal.append(state, [{ term: 1, index, data }], true, (error) => (error ? reject(error) : resolve()));
            });
            samples.push(nowUs() - start);
            await new Promise((resolve) => setImmediate(resolve));
          }
          return summary(samples);
        });
    }
    await compare(`the log: one entry of ${size} bytes after the other`, variants);
  }
}

/** `clients` at once, each with one put under way, and some work of the main thread for each. */
async function load(): Promise<void> {
  const WORK_US = 3;
  for (const clients of [500]) {
    const variants: Record<string, () => Promise<object>> = {};
    for (const [name, mode] of Object.entries(MODES)) {
      variants[name] = () =>
        withWal(mode, async (wal) => {
          const data = new Uint8Array(300).fill(7);
          const until = performance.now() + 250;
          const samples: number[] = [];
          let index = 0;
          const start = performance.now();
          await Promise.all(
            Array.from({ length: clients }, async () => {
              while (performance.now() < until) {
                const begun = nowUs();
                const busyUntil = begun + WORK_US;
                while (nowUs() < busyUntil);
                index++;
                await new Promise<void>((resolve, reject) => {
                  wal.append(undefined, [{ term: 1, index, data }], true, (error) =>
                    error ? reject(error) : resolve(),
                  );
                });
                samples.push(nowUs() - begun);
                await new Promise((resolve) => setImmediate(resolve));
              }
            }),
          );
          const putsPerSecond = (index / (performance.now() - start)) * 1000;
          return { putsPerSecond, ...summary(samples) };
        });
    }
    await compare(`the log: ${clients} clients, ${WORK_US} µs of work for each put`, variants);
  }
}

/** Start-up: creating a log, and reading one of 60 MB. */
async function read(): Promise<void> {
  const options = { fs: new NodeFileSystem(), clock: new NodeClock(), logger: silentLogger, dir: join(ROOT, 'read') };
  const data = new Uint8Array(300).fill(7);
  const before = performance.now();
  const wal = createWal(options, { nodeID: 1n, clusterID: 2n });
  console.log(`\ncreate a log: ${(performance.now() - before).toFixed(1)} ms`);
  let index = 0;
  for (let group = 0; group < 180; group++) {
    const entries = Array.from({ length: 1000 }, () => ({ term: 1, index: ++index, data }));
    const state = { term: 1, vote: 1n, commit: index };
    await new Promise<void>((resolve) => wal.append(state, entries, true, () => resolve()));
  }
  await new Promise<void>((resolve) => wal.close(() => resolve()));
  const bytes = index * 344;
  const variant = (from: number) => async (): Promise<object> => {
    const start = performance.now();
    const { wal: again } = openWal(options, from);
    const ms = performance.now() - start;
    await new Promise<void>((resolve) => again.close(() => resolve()));
    return { ms, megabytesPerSecond: bytes / 1000 / ms };
  };
  await compare(`open a log of ${(bytes / 1e6).toFixed(0)} MB`, {
    'keeping all entries': variant(0),
    'keeping none': variant(index),
  });
}

const PARTS: Record<string, () => Promise<void>> = { raw, log, load, read };
const wanted = process.argv.slice(2);
try {
  for (const [name, run] of Object.entries(PARTS)) if (wanted.length === 0 || wanted.includes(name)) await run();
} finally {
  fs.rmSync(ROOT, { recursive: true });
}
