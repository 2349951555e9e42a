/**
 * A Kubernetes cluster on quorate, by Kind: `up` goes from nothing to `kubectl get nodes`, `down` removes all of it. What is there
 * already is used; whoever interrupts `up` may run it again.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ensurePki } from './pki.ts';
import { kindConfig, type KindPlan, memberNames, runArguments, templateFile } from './plan.ts';

const USAGE = `usage: scripts/kind-up [options]
       scripts/kind-down [--name <name>]

  --name <name>         of the Kind cluster (quorate)
  --members <1, 3, 5>   how many quorate (1)
  --tls                 the API server and quorate show certificates to each other
  --image <image>       a quorate image that is there; otherwise it is built
  --node-image <image>  handed to kind create cluster --image
`;
const NEEDED = [
  { command: 'docker', from: 'https://docs.docker.com/engine/install' },
  { command: 'kind', from: 'https://kind.sigs.k8s.io/docs/user/quick-start/#installation' },
  { command: 'kubectl', from: 'https://kubernetes.io/docs/tasks/tools' },
];
const READY_TIMEOUT_MS = 60_000;
const BUILT_IMAGE = 'quorate';

const repo = join(import.meta.dirname, '../..');
const startedMs = Date.now();

class CommandFailed extends Error {}

function say(text: string): void {
  process.stderr.write(`${`${((Date.now() - startedMs) / 1000).toFixed(0)}s`.padStart(5)}  ${text}\n`);
}

/** What it printed; throws CommandFailed with it when it fails. */
function run(command: string, args: readonly string[]): string {
  const { status, error, stdout, stderr } = spawnSync(command, args, { cwd: repo, encoding: 'utf8' });
  if (status === 0) return stdout.trim();
  throw new CommandFailed(`${command} ${args.join(' ')}: ${error?.message ?? `${stdout}${stderr}`.trim()}`);
}

/** With its own words on the terminal. */
function show(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { cwd: repo, stdio: 'inherit' });
  if (status !== 0) throw new CommandFailed(`${command} ${args.join(' ')}: ${error?.message ?? `exit code ${status}`}`);
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { cwd: repo, stdio: 'ignore' }).status === 0;
}

function checkTools(): void {
  for (const { command, from } of NEEDED) {
    if (spawnSync(command, ['version'], { stdio: 'ignore' }).error !== undefined) {
      throw new CommandFailed(`${command} is needed: ${from}`);
    }
  }
  if (!succeeds('docker', ['info'])) throw new CommandFailed('no Docker engine answers (docker info)');
}

/** The one that kind would make, so that it finds it made. */
function ensureNetwork(network: string): void {
  if (succeeds('docker', ['network', 'inspect', network])) return;
  const create = ['network', 'create', '--driver', 'bridge'];
  const masquerade = ['--opt', 'com.docker.network.bridge.enable_ip_masquerade=true'];
  // Of addresses that kind gives to the network of this name; there may be no IPv6 here.
  const ipv6 = ['--ipv6', '--subnet', 'fc00:f853:ccd:e793::/64'];
  if (network === 'kind' && succeeds('docker', [...create, ...masquerade, ...ipv6, network])) return;
  run('docker', [...create, ...masquerade, network]);
}

async function startMembers(plan: KindPlan): Promise<void> {
  for (const member of memberNames(plan)) {
    if (!succeeds('docker', ['container', 'inspect', member])) run('docker', runArguments(plan, member));
    else run('docker', ['start', member]);
  }
  for (const member of memberNames(plan)) await untilReady(member);
}

async function untilReady(member: string): Promise<void> {
  const deadlineMs = Date.now() + READY_TIMEOUT_MS;
  while (!succeeds('docker', ['exec', member, 'quorate', 'health', '--of-process', '1'])) {
    if (Date.now() > deadlineMs) {
      show('docker', ['logs', '--tail', '20', member]);
      throw new CommandFailed(`${member} does not become ready; its last lines are above`);
    }
    await sleep(250);
  }
}

async function up(plan: KindPlan, nodeImage: string | undefined): Promise<void> {
  checkTools();
  mkdirSync(plan.dir, { recursive: true });
  if (plan.image === BUILT_IMAGE) {
    say('building the image (a minute or two, the first time)');
    say(run('bash', [join(repo, 'scripts/docker/build-image.sh'), BUILT_IMAGE]));
  }
  if (plan.tls) {
    say('certificates');
    await ensurePki(plan);
  }
  const isThere = run('kind', ['get', 'clusters']).split('\n').includes(plan.name);
  // What an earlier cluster of the name has left would be taken for this one's.
  if (!isThere) removeMembers(plan);
  say(`starting ${plan.size === 1 ? 'quorate' : `${plan.size} quorate`}`);
  ensureNetwork(plan.network);
  await startMembers(plan);
  const config = join(plan.dir, 'kind-config.yaml');
  writeFileSync(config, kindConfig(plan, readFileSync(join(repo, templateFile(plan)), 'utf8')));
  if (isThere) {
    say(`the Kind cluster ${plan.name} is there already`);
  } else {
    say('creating the Kind cluster (some minutes, the first time)');
    show('kind', ['create', 'cluster', '--config', config, ...(nodeImage === undefined ? [] : ['--image', nodeImage])]);
  }
  const context = ['--context', `kind-${plan.name}`];
  say('waiting for the nodes');
  show('kubectl', [...context, 'wait', '--for=condition=Ready', 'nodes', '--all', '--timeout=180s']);
  show('kubectl', [...context, 'get', 'nodes']);
  say(`done. Objects are in ${memberNames(plan).join(', ')}; scripts/kind-down${nameFlag(plan)} removes all of it.`);
}

function down(plan: KindPlan): void {
  if (succeeds('kind', ['version'])) {
    say(`deleting the Kind cluster ${plan.name}`);
    show('kind', ['delete', 'cluster', '--name', plan.name]);
  }
  removeMembers(plan);
  rmSync(plan.dir, { recursive: true, force: true });
  say('done');
}

/** With their volumes. */
function removeMembers({ name }: KindPlan): void {
  const isOurs = new RegExp(`^${name.replaceAll('.', '\\.')}-etcd-\\d+$`);
  const ours = (...list: string[]): string[] =>
    run('docker', list)
      .split('\n')
      .filter((one) => isOurs.test(one));
  for (const container of ours('ps', '--all', '--format', '{{.Names}}')) {
    say(`removing ${container}`);
    run('docker', ['rm', '--force', container]);
  }
  for (const volume of ours('volume', 'ls', '--format', '{{.Name}}')) run('docker', ['volume', 'rm', volume]);
}

function nameFlag({ name }: KindPlan): string {
  return name === 'quorate' ? '' : ` --name ${name}`;
}

function parsePlan(args: string[]): { plan: KindPlan; nodeImage: string | undefined } {
  const { values } = parseArgs({
    args,
    options: {
      name: { type: 'string', default: 'quorate' },
      members: { type: 'string', default: '1' },
      tls: { type: 'boolean', default: false },
      image: { type: 'string', default: BUILT_IMAGE },
      'node-image': { type: 'string' },
    },
  });
  if (!/^[a-z0-9][a-z0-9.-]*$/.test(values.name)) throw new TypeError(`--name ${values.name}: not a name for Kind`);
  if (!['1', '3', '5'].includes(values.members)) throw new TypeError(`--members ${values.members}: 1, 3 or 5`);
  const plan = {
    name: values.name,
    size: Number(values.members),
    tls: values.tls,
    dir: join(repo, '.cache/kind', values.name),
    // As kind itself takes it.
    network: process.env['KIND_EXPERIMENTAL_DOCKER_NETWORK'] ?? 'kind',
    image: values.image,
  };
  return { plan, nodeImage: values['node-image'] };
}

const [verb, ...args] = process.argv.slice(2);
try {
  const { plan, nodeImage } = parsePlan(args);
  if (verb === 'up') await up(plan, nodeImage);
  else if (verb === 'down') down(plan);
  else throw new TypeError('up or down');
} catch (error) {
  if (!(error instanceof CommandFailed || error instanceof TypeError)) throw error;
  process.stderr.write(`${error.message}\n${error instanceof TypeError ? USAGE : ''}`);
  process.exitCode = error instanceof TypeError ? 2 : 1;
}
