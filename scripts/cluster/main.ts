/** A cluster on this machine for people who try it: starts the members, tells how to reach them, stops them together. */
import { createServer } from 'node:net';
import { existsSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import yargs from 'yargs';
import { commandWords } from './command-words.ts';
import { layout, type LayoutOptions, MEMBERS_DEFAULT, MEMBERS_MAX, type MemberPlace } from './layout.ts';
import { MemberProcess } from './member-process.ts';

const ROOT = join(import.meta.dirname, '../..');
/** A member that died is started again after this, so that there is time to see the others go on. */
const RESTART_MS = 5000;

process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  let places: MemberPlace[];
  try {
    places = layout(parse(args));
    await portsAreFree(places);
  } catch (error) {
    say(messageOf(error));
    return 1;
  }
  return run(places);
}

function parse(args: readonly string[]): LayoutOptions {
  const parsed = yargs(args)
    .scriptName('npm run cluster --')
    .usage(
      '$0 [options]\n\nRuns a quorate cluster on this machine. Ctrl-C stops it; the next start goes on with its data.',
    )
    .option('members', { type: 'number', describe: `how many; ${MEMBERS_DEFAULT} unless told` })
    .option('base-port', {
      type: 'number',
      describe: "first member's client port; the peer port is the next one, the next member's are 10 higher",
      defaultDescription: 'client ports 2379, 22379, 32379 …',
    })
    .option('data-dir', { type: 'string', default: 'cluster.etcd', describe: 'where data and logs of all members go' })
    .check(({ members, 'base-port': basePort }) => {
      if (members !== undefined && !(Number.isInteger(members) && members >= 1 && members <= MEMBERS_MAX)) {
        throw new Error(`--members ${members}: must be 1 to ${MEMBERS_MAX}`);
      }
      if (basePort !== undefined && !(Number.isInteger(basePort) && basePort > 0)) {
        throw new Error(`--base-port ${basePort}: must be a port`);
      }
      return true;
    })
    .version(false)
    .strict()
    .parseSync();
  return { members: parsed.members, basePort: parsed['base-port'], dataDir: parsed['data-dir'] };
}

async function run(places: readonly MemberPlace[]): Promise<number> {
  const stop = { asked: false };
  const asked = new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
      // Also the second time: a terminal and npm both pass the same Ctrl-C on.
      process.on(signal, () => {
        stop.asked = true;
        resolve();
      });
    }
  });
  const onDeath = (member: MemberProcess, how: string): void => void startAgain(member, how, stop);
  const members = places.map((place) => new MemberProcess(place, command(), places, { onDeath }));
  process.once('exit', () => members.forEach((member) => member.kill()));

  const startedMs = Date.now();
  say(`starting ${members.length} members …`);
  for (const member of members) member.start();
  try {
    await Promise.race([asked, Promise.all(members.map((member) => member.ready()))]);
  } catch (error) {
    stop.asked = true;
    say(messageOf(error));
    await Promise.all(members.map((member) => member.stop()));
    return 1;
  }
  if (!stop.asked) {
    say(`ready after ${((Date.now() - startedMs) / 1000).toFixed(1)} s`);
    process.stdout.write(introduction(members));
    await asked;
  }
  say('stopping …');
  await Promise.all(members.map((member) => member.stop()));
  say('stopped; the data stays');
  return 0;
}

async function startAgain(member: MemberProcess, how: string, stop: { readonly asked: boolean }): Promise<void> {
  const { name, logFile } = member.place;
  if (stop.asked) return;
  say(`${name} ended (${how}); starting it again in ${RESTART_MS / 1000} s. Its log: ${shown(logFile)}`);
  await sleep(RESTART_MS, undefined, { ref: false });
  // It may have died while all were being started: then everything ends.
  if (stop.asked) return;
  member.start();
  await member.ready().then(
    () => say(`${name} is back, process ${member.pid}`),
    () => {},
  );
}

function introduction(members: readonly MemberProcess[]): string {
  const endpoints = members.map(({ place }) => `127.0.0.1:${place.clientPort}`);
  const lines = members.map(
    ({ place, pid }) =>
      `  ${place.name}  clients 127.0.0.1:${place.clientPort}  peers 127.0.0.1:${place.peerPort}  process ${pid}  log ${shown(place.logFile)}`,
  );
  const tool = etcdctl();
  const etcdctlAll = `${tool ?? 'etcdctl'} --endpoints=${endpoints.join(',')}`;
  return [
    '',
    ...lines,
    '',
    'Try (in another terminal):',
    '',
    `  ${etcdctlAll} endpoint status -w table`,
    `  ${etcdctlAll} put greeting hello`,
    `  ${tool ?? 'etcdctl'} --endpoints=${endpoints.at(-1)} get greeting`,
    '',
    ...(tool === undefined
      ? ['etcdctl is not on this machine: it comes with etcd (Debian: etcd-client), or by scripts/fetch-etcd.sh.', '']
      : []),
    'Kill one process (kill -9): the others go on, and it is started again after 5 s. Ctrl-C stops all.',
    '',
  ].join('\n');
}

/** What the user can type; undefined when there is none. */
function etcdctl(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).some((dir) => existsSync(join(dir, 'etcdctl')));
  if (onPath) return 'etcdctl';
  const fetched = join(ROOT, '.cache/etcd/usr/bin/etcdctl');
  return existsSync(fetched) ? shown(fetched) : undefined;
}

function command(): string[] {
  const words = commandWords(process.env['QUORATE_COMMAND']);
  return words.length > 0 ? words : [process.execPath, join(ROOT, 'src/main.ts')];
}

async function portsAreFree(places: readonly MemberPlace[]): Promise<void> {
  for (const port of places.flatMap(({ clientPort, peerPort }) => [clientPort, peerPort])) {
    if (await canListen(port)) continue;
    throw new Error(`port ${port} is in use: stop what listens there, or choose others with --base-port`);
  }
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}

function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short.startsWith('..') ? path : short;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Progress on stderr; what is to be pasted on stdout. */
function say(text: string): void {
  process.stderr.write(`quorate: ${text}\n`);
}
