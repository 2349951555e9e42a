/** Which members a local cluster has and where: decided by the first start, and kept in the data directory from then on. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface MemberPlace {
  readonly name: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDir: string;
  readonly logFile: string;
}

export interface LayoutOptions {
  /** Undefined: as it was before, or the default. */
  readonly members: number | undefined;
  readonly basePort: number | undefined;
  readonly dataDir: string;
}

/** As the examples of etcd have it: 2379, 22379, 32379, and one more for peers. */
const FIRST_CLIENT_PORT = 2379;
const WELL_KNOWN_STEP = 10_000;
const STEP = 10;
const PORT_MAX = 65_535;
export const MEMBERS_DEFAULT = 3;
export const MEMBERS_MAX = 6;
const FILE = 'cluster.json';

interface Saved {
  readonly clientPorts: readonly number[];
}

/** Throws an Error of one line when the options contradict what is in the data directory. */
export function layout(options: LayoutOptions): MemberPlace[] {
  const { dataDir } = options;
  const path = join(dataDir, FILE);
  const saved = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Saved).clientPorts : undefined;
  const wanted = clientPorts(options, saved);
  if (saved !== undefined && saved.join() !== wanted.join()) {
    throw new Error(
      `${dataDir} holds a cluster of ${saved.length} with client ports ${saved.join(', ')}, not ${wanted.join(', ')}: ` +
        'leave the flags out to start it again, name another --data-dir, or remove it',
    );
  }
  mkdirSync(dataDir, { recursive: true });
  if (saved === undefined) writeFileSync(path, `${JSON.stringify({ clientPorts: wanted })}\n`);
  return wanted.map((clientPort, i) => {
    const name = `m${i + 1}`;
    return {
      name,
      clientPort,
      peerPort: clientPort + 1,
      dataDir: join(dataDir, name),
      logFile: join(dataDir, `${name}.log`),
    };
  });
}

function clientPorts({ members, basePort }: LayoutOptions, saved: readonly number[] | undefined): number[] {
  const count = members ?? saved?.length ?? MEMBERS_DEFAULT;
  const first = basePort ?? saved?.[0];
  const ports = Array.from({ length: count }, (_, i) => {
    if (first !== undefined && first !== FIRST_CLIENT_PORT) return first + i * STEP;
    return FIRST_CLIENT_PORT + (i === 0 ? 0 : (i + 1) * WELL_KNOWN_STEP);
  });
  if ((ports.at(-1) ?? 0) + 1 > PORT_MAX) throw new Error(`--base-port ${first} leaves no room for ${count} members`);
  return ports;
}

export function clientUrl({ clientPort }: MemberPlace): string {
  return `http://127.0.0.1:${clientPort}`;
}

export function peerUrl({ peerPort }: MemberPlace): string {
  return `http://127.0.0.1:${peerPort}`;
}
