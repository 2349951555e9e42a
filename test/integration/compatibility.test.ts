/** The tables that docs/compatibility.md is made from say what a running quorate and a real etcd do. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTP_PATHS, type Listener, type PathProbe } from '../../scripts/compatibility/http-paths.ts';
import { RPCS, STRAY_REMARKS } from '../../scripts/compatibility/rpcs.ts';
import {
  ETCDCTL_COMMANDS,
  ETCDUTL_COMMANDS,
  ETCD_SUBCOMMANDS,
  type ToolCommand,
} from '../../scripts/compatibility/tool-commands.ts';
import { runSubcommand } from '../../src/cli/subcommands.ts';
import { samplesOf } from '../support/exposition.ts';
import { freePort } from '../support/free-port.ts';
import { http } from '../support/http.ts';
import { scrape } from '../support/metrics.ts';
import { quorateExists, startQuorate } from '../support/quorate-process.ts';
import { etcdBinDir, etcdToolPath, NO_ETCD, startEtcd } from '../support/real-etcd.ts';
import type { ServerProcess } from '../support/server-process.ts';

const available = etcdBinDir() !== undefined && quorateExists();
if (!available) console.info(`skipped: compatibility: ${NO_ETCD}`);

describe.skipIf(!available)('on both servers', () => {
  const servers: { server: ServerProcess; metricsPort: number }[] = [];

  beforeAll(async () => {
    const start = async (begin: typeof startEtcd): Promise<(typeof servers)[number]> => {
      const metricsPort = await freePort();
      const flags = [`--listen-metrics-urls=http://127.0.0.1:${metricsPort}`, '--enable-pprof'];
      return { server: await begin({ flags }), metricsPort };
    };
    servers.push(...(await Promise.all([start(startEtcd), start(startQuorate)])));
  });
  afterAll(() => Promise.all(servers.map(({ server }) => server.stop())));

  it.for(['client', 'metrics', 'peer'] as const)(
    'paths on %s URLs answer as listed',
    { timeout: 60_000 },
    async (on) => {
      const probes = HTTP_PATHS.filter(({ listener }) => listener === on);
      const found = await Promise.all(
        probes.map(async (probe) => {
          const [etcd, own] = await Promise.all(servers.map((server) => statusOf(server, probe)));
          return { probe: `${probe.method} ${probe.path}`, etcd, own };
        }),
      );
      const expected = probes.map(({ method, path, status, own = status }) => ({
        probe: `${method} ${path}`,
        etcd: status,
        own,
      }));
      expect(found.filter(({ probe }) => !isProfile(probe))).toEqual(expected.filter(({ probe }) => !isProfile(probe)));
      // One at a time.
      for (const probe of probes.filter(({ path }) => isProfile(path))) {
        expect([probe.path, ...(await Promise.all(servers.map((server) => statusOf(server, probe))))]).toEqual([
          probe.path,
          probe.status,
          probe.own ?? probe.status,
        ]);
      }
    },
  );

  it('quorate serves the RPCs that are listed, and etcd has no others', async () => {
    const [etcd, quorate] = await Promise.all(servers.map(({ server }) => methods(server)));
    const served = RPCS.filter(({ status }) => status !== 'not offered').map(({ name }) => name);
    expect(quorate).toEqual(served.sort());
    const listed = new Set(RPCS.map(({ name }) => name));
    expect(etcd?.filter((name) => !listed.has(name))).toEqual([]);
    expect(etcd?.length).toBeGreaterThan(40);
    expect(STRAY_REMARKS).toEqual([]);
  });
});

function isProfile(text: string): boolean {
  return /pprof\/(profile|heap|allocs)\?/.test(text);
}

async function statusOf(
  { server, metricsPort }: { server: ServerProcess; metricsPort: number },
  { listener, method, path, body }: PathProbe,
): Promise<number> {
  const ports: Record<Listener, number> = { client: server.clientPort, metrics: metricsPort, peer: server.peerPort };
  const { status } = await http(`http://127.0.0.1:${ports[listener]}${path}`, { method, ...(body && { body }) });
  return status;
}

/** Every method has its series from the start; those of etcd's lock and election once they are called. */
async function methods(server: ServerProcess): Promise<string[]> {
  const keys = [...samplesOf(await scrape(server.endpoint)).keys()];
  return keys
    .flatMap((key) => {
      const [, method, service] = /^grpc_server_started_total\{grpc_method="(.*)",grpc_service="(.*)",/.exec(key) ?? [];
      return method === undefined ? [] : [`${service}/${method}`];
    })
    .sort();
}

const TESTS = import.meta.dirname;

describe('commands of the tools', () => {
  const all = [...ETCDCTL_COMMANDS, ...ETCDUTL_COMMANDS];

  it.for([...all, ...ETCD_SUBCOMMANDS].filter(({ test }) => test !== undefined))(
    '$command is run by the test that is named',
    ({ command, test }) => {
      const words = command.split(' ').map((word) => `'${word}'`);
      expect(sectionOf(test?.file ?? '', test?.title ?? '')).toMatch(new RegExp(words.join(',\\s*')));
    },
  );

  it.skipIf(!available)("are all that etcd's tools have", () => {
    expect(names(ETCDCTL_COMMANDS)).toEqual(etcdctlCommands());
    expect(names(ETCDUTL_COMMANDS)).toEqual(etcdutlCommands());
  });

  it('what works here has a test, unless no server is asked', () => {
    const untested = all.filter(
      ({ status, test, note }) => status === 'works' && test === undefined && note !== 'Asks no server.',
    );
    expect(untested).toEqual([]);
  });

  it.for(ETCD_SUBCOMMANDS.map(({ command }) => command))('quorate %s says that it is not offered', async (command) => {
    const lines: string[] = [];
    const output = { out: (text: string) => lines.push(text), error: (line: string) => lines.push(line) };
    expect(await runSubcommand([command], output)).toBe(1);
    expect(lines.join('\n')).toContain('not part of quorate');
  });
});

describe('RPCs', () => {
  it('each is called by tests', () => {
    const folders = ['../conformance/api', '../conformance/rpc-transport', '../support', '.'];
    const sources = folders.flatMap((folder) => {
      const files = readdirSync(join(TESTS, folder)).filter((file) => file.endsWith('.ts'));
      return files.map((file) => readFileSync(join(TESTS, folder, file), 'utf8'));
    });
    const text = sources.join('\n').toLowerCase();
    const offered = RPCS.filter(({ status }) => status !== 'not offered').map(({ name }) => name.split('/')[1] ?? '');
    const uncalled = offered.filter((method) => {
      const name = method.toLowerCase();
      return ![`'${name}'`, `.${name}(`, `/${name}'`].some((call) => text.includes(call));
    });
    expect(uncalled).toEqual([]);
  });
});

function names(commands: readonly ToolCommand[]): string[] {
  return commands.map(({ command }) => command).sort();
}

/** The text of a test: up to the next one. */
function sectionOf(file: string, title: string): string {
  const text = readFileSync(join(TESTS, file), 'utf8');
  const starts = [...text.matchAll(/^ *(?:same|it)\(/gm)].map(({ index }) => index);
  const sections = starts.map((start, i) => text.slice(start, starts[i + 1]));
  const found = sections.filter((section) =>
    [`'${title}`, `"${title}`].some((start) => section.slice(0, 200).includes(start)),
  );
  if (found.length !== 1) throw new Error(`${found.length} tests in ${file} begin with: ${title}`);
  return found[0] ?? '';
}

/** Its help lists the commands of all levels. */
function etcdctlCommands(): string[] {
  const help = execFileSync(etcdToolPath('etcdctl'), ['help'], { encoding: 'utf8', env: {} });
  const list = /\nCOMMANDS:\n([\s\S]*?)\n\n/.exec(help)?.[1] ?? '';
  return list
    .split('\n')
    .map((line) => line.trim().split(/\t+/)[0] ?? '')
    .sort();
}

function etcdutlCommands(...group: string[]): string[] {
  const help = execFileSync(etcdToolPath('etcdutl'), ['help', ...group], { encoding: 'utf8', env: {} });
  const list = /\nAvailable Commands:\n([\s\S]*?)\n\n/.exec(help)?.[1];
  if (list === undefined || group[0] === 'completion') return [group.join(' ')];
  const own = list.split('\n').map((line) => line.trim().split(/\s+/)[0] ?? '');
  return own.flatMap((name) => (name === 'help' ? ['help'] : etcdutlCommands(...group, name))).sort();
}
