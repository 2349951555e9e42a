/** Figures of the operating system: /proc of Linux, and blocks on disk. */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** RssAnon. */
export async function anonymousBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  const kib = /^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1];
  if (kib === undefined) throw new Error(`/proc/${pid}/status has no RssAnon`);
  return Number(kib) * 1024;
}

const CLOCK_TICKS_PER_SECOND = 100;

/** User and system time of all threads of a process. */
export async function cpuSeconds(pid: number): Promise<number> {
  return cpuSecondsOf(await readFile(`/proc/${pid}/stat`, 'latin1'));
}

/** From the content of a process's file `stat`. */
export function cpuSecondsOf(stat: string): number {
  // The command name, in parentheses, may hold spaces; utime and stime are fields 14 and 15, the state after it is the third.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND;
}

const BLOCK_BYTES = 512;

/** What the files below `dir` take up on disk, preallocated space included, holes not. */
export async function diskBytes(dir: string): Promise<number> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const sizes = entries.filter((entry) => entry.isFile()).map((entry) => stat(join(entry.parentPath, entry.name)));
  return (await Promise.all(sizes)).reduce((sum, { blocks }) => sum + blocks * BLOCK_BYTES, 0);
}
