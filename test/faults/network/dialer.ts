import { readdir, readFile, readlink } from 'node:fs/promises';

/**
 * Which of some processes has made the connection whose near end is 127.0.0.1:`port`: the kernel's table names the socket, and
 * the process that holds it has it among its files. undefined when none has, or it is gone already.
 */
export async function dialerOf(port: number, pids: ReadonlyMap<string, number>): Promise<string | undefined> {
  const inode = await inodeOf(port);
  if (inode === undefined) return undefined;
  const wanted = `socket:[${inode}]`;
  for (const [name, pid] of pids) if (await holds(pid, wanted)) return name;
  return undefined;
}

const LOOPBACK = '0100007F';

async function inodeOf(port: number): Promise<string | undefined> {
  const local = `${LOOPBACK}:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const line = (await readFile('/proc/net/tcp', 'latin1'))
    .split('\n')
    .find((row) => row.slice(0, 30).includes(` ${local} `));
  const inode = line?.trim().split(/\s+/)[9];
  return inode === '0' ? undefined : inode;
}

async function holds(pid: number, wanted: string): Promise<boolean> {
  const dir = `/proc/${pid}/fd`;
  const names = await readdir(dir).catch(() => []);
  const links = await Promise.all(names.map((name) => readlink(`${dir}/${name}`).catch(() => '')));
  return links.includes(wanted);
}
