/** What the figures depend on besides the servers. */
import { closeSync, fdatasyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { median } from './statistics.ts';

export interface Machine {
  readonly cpuModel: string;
  readonly cores: number;
  readonly memoryGB: number;
  readonly kernel: string;
  /** Of the data directories. */
  readonly fileSystem: string;
  /** Median time of appending 4 kB and making it durable, there. */
  readonly fdatasyncMicros: number;
  readonly node: string;
  /** Processes that wanted to run in the last minute before the benchmark began: above 0, it was not alone. */
  readonly loadAverageBefore: number;
}

export function describeMachine(dir: string): Machine {
  const processors = cpus();
  return {
    cpuModel: processors[0]?.model ?? 'unknown',
    cores: processors.length,
    memoryGB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    fileSystem: fileSystemOf(dir, readFileSync('/proc/self/mounts', 'utf8')),
    fdatasyncMicros: Math.round(fdatasyncMicros(dir)),
    node: process.version,
    loadAverageBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** The type of the file system that holds `dir`, by the table of mounts. */
export function fileSystemOf(dir: string, mounts: string): string {
  const path = resolve(dir);
  let best = { point: '', type: 'unknown' };
  for (const line of mounts.split('\n')) {
    const [, point, type] = line.split(' ');
    if (point === undefined || type === undefined || point.length < best.point.length) continue;
    if (point === '/' || path === point || path.startsWith(`${point}/`)) best = { point, type };
  }
  return best.type;
}

const SYNCS = 200;

function fdatasyncMicros(dir: string): number {
  mkdirSync(dir, { recursive: true });
  const path = join(dir, 'fdatasync-probe');
  const file = openSync(path, 'w');
  const block = Buffer.alloc(4096, 1);
  try {
    const micros = Array.from({ length: SYNCS }, () => {
      writeSync(file, block);
      const started = performance.now();
      fdatasyncSync(file);
      return (performance.now() - started) * 1000;
    });
    return median(micros);
  } finally {
    closeSync(file);
    rmSync(path);
  }
}
