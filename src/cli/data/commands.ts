/** `quorate snapshot save|status|restore` and `quorate hashkv`, with the options of etcdctl and etcdutl. */
import type { Argv, CommandModule, Options } from 'yargs';
import { parseGoDurationMs } from '../../config/go-values.ts';
import { parseInitialCluster } from '../../config/initial-cluster.ts';
import { parseUrlAddress } from '../../config/url-address.ts';
import type { Output } from '../subcommands.ts';
import { WRITE_OUT, writeOut, type Fact, type WriteOut } from '../write-out.ts';

/** What etcd's tools exit with where the options contradict each other. */
const EXIT_BAD_ARGUMENTS = 128;

class BadArguments extends Error {
  override readonly name = 'BadArguments';
}

type Args = Readonly<Record<string, unknown>>;

/** `ended` gets the exit code. */
export function dataCommands(output: Output, ended: (exitCode: number) => void): CommandModule[] {
  const make = (
    command: string,
    describe: string,
    builder: Readonly<Record<string, Options>>,
    run: (args: Args) => Promise<string>,
  ): CommandModule => ({
    command,
    describe,
    builder: (yargs) =>
      yargs
        .positional('filename', { type: 'string' })
        .options({ ...builder })
        .strict(),
    handler: async (args) => ended(await guarded(output, () => run(args))),
  });
  const snapshots = [
    make('save <filename>', "store a server's snapshot in a file", saveOptions(process.env), save),
    make('status <filename>', 'tell what is in a snapshot file', { 'write-out': WRITE_OUT_OPTION }, status),
    make(
      'restore <filename>',
      'make a data directory of a snapshot, for quorate or etcd',
      { ...RESTORE_OPTIONS, 'write-out': WRITE_OUT_OPTION },
      restoreSnapshot,
    ),
  ];
  const snapshot: CommandModule = {
    command: 'snapshot',
    describe: 'save, look at and restore snapshots',
    builder: (yargs: Argv) => {
      for (const module of snapshots) yargs.command(module);
      return yargs.demandCommand(1, 'snapshot: save, status or restore?').strict();
    },
    handler: () => {},
  };
  const hash = make(
    'hashkv <filename>',
    'the hash of the keys and their history in a snapshot file',
    HASH_OPTIONS,
    hashKv,
  );
  return [snapshot, hash];
}

/** Resolves to the exit code. */
async function guarded(output: Output, run: () => Promise<string>): Promise<number> {
  try {
    output.out(await run());
    return 0;
  } catch (error) {
    output.error(`Error: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof BadArguments ? EXIT_BAD_ARGUMENTS : 1;
  }
}

const WRITE_OUT_OPTION: Options = {
  alias: 'w',
  choices: WRITE_OUT,
  default: 'simple',
  describe: 'the output format',
};

const RESTORE_OPTIONS = {
  'data-dir': { type: 'string', demandOption: true, describe: 'path to the output data directory' },
  'wal-dir': { type: 'string', default: '', describe: 'path to the WAL directory, if not in the data directory' },
  name: { type: 'string', default: 'default', describe: "this member's name" },
  'initial-cluster': {
    type: 'string',
    default: 'default=http://localhost:2380',
    describe: 'the members of the new cluster',
  },
  'initial-cluster-token': { type: 'string', default: 'etcd-cluster', describe: 'the token of the new cluster' },
  'initial-advertise-peer-urls': {
    type: 'string',
    default: 'http://localhost:2380',
    describe: "this member's peer URLs",
  },
  'skip-hash-check': {
    type: 'boolean',
    default: false,
    describe: 'do not look at the checksum (a file copied from a data directory has none)',
  },
  'bump-revision': { type: 'number', default: 0, describe: 'by how much to raise the revision' },
  'mark-compacted': {
    type: 'boolean',
    default: false,
    describe: 'mark the raised revision as compacted (required with --bump-revision)',
  },
  'initial-memory-map-size': { type: 'number', describe: 'without effect: nothing is mapped' },
} as const satisfies Record<string, Options>;

const HASH_OPTIONS: Record<string, Options> = {
  rev: { type: 'number', default: 0, describe: 'up to which revision; 0: all' },
  'write-out': WRITE_OUT_OPTION,
};

/** As etcdctl's; each may come from the environment. */
function saveOptions(env: NodeJS.ProcessEnv): Record<string, Options> {
  const text = (name: string, fallback: string, describe: string): Options => {
    return { type: 'string', default: env[`ETCDCTL_${name.toUpperCase()}`] ?? fallback, describe };
  };
  return {
    endpoints: text('endpoints', '127.0.0.1:2379', 'the one server to ask'),
    cacert: text('cacert', '', 'the CA certificates that the server is verified with'),
    cert: text('cert', '', 'the client certificate'),
    key: text('key', '', "the client certificate's key"),
    user: text('user', '', 'name[:password]'),
    password: { type: 'string', default: env['ETCDCTL_PASSWORD'] ?? '', describe: 'the password, if --user has none' },
    'insecure-skip-tls-verify': { type: 'boolean', default: false, describe: 'do not verify the server' },
    'dial-timeout': { type: 'string', default: '2s', describe: 'how long connecting may take' },
    'write-out': WRITE_OUT_OPTION,
  };
}

async function save(args: Args): Promise<string> {
  const { saveSnapshot } = await import('./save.ts');
  const endpoints = text(args, 'endpoints').split(',');
  const [endpoint = ''] = endpoints;
  if (endpoints.length !== 1) {
    throw new BadArguments(`snapshot must be requested to one selected node, not multiple [${endpoints.join(' ')}]`);
  }
  const [, user = '', , password] = /^([^:]*)(:(.*))?$/s.exec(text(args, 'user')) ?? [];
  const file = text(args, 'filename');
  await saveSnapshot({
    file,
    endpoint,
    cacert: text(args, 'cacert'),
    cert: text(args, 'cert'),
    key: text(args, 'key'),
    user,
    password: password ?? text(args, 'password'),
    skipVerify: args['insecure-skip-tls-verify'] === true,
    dialTimeoutMs: milliseconds(args, 'dial-timeout'),
  });
  return `Snapshot saved at ${file}`;
}

async function status(args: Args): Promise<string> {
  const { snapshotStatus, statusFacts } = await import('./snapshot-status.ts');
  return show(args, () => snapshotStatus(text(args, 'filename')).then(statusFacts));
}

async function hashKv(args: Args): Promise<string> {
  const { hashKvFacts, offlineHashKv } = await import('./hash-kv.ts');
  const revision = wholeNumber(args, 'rev');
  return show(args, () => offlineHashKv(text(args, 'filename'), revision).then(hashKvFacts));
}

async function show(args: Args, find: () => Promise<Fact[]>): Promise<string> {
  const format = WRITE_OUT.find((known) => known === text(args, 'write-out')) ?? 'simple';
  if (format === 'protobuf') throw new BadArguments('protobuf not supported as output format');
  return writeOut(await find(), format satisfies WriteOut);
}

async function restoreSnapshot(args: Args): Promise<string> {
  const { restore } = await import('./restore.ts');
  const bumpRevision = wholeNumber(args, 'bump-revision');
  if (bumpRevision > 0 !== (args['mark-compacted'] === true)) {
    throw new BadArguments(
      bumpRevision > 0
        ? '--mark-compacted required if --bump-revision > 0'
        : '--mark-compacted is only for use with --bump-revision > 0',
    );
  }
  const [file, dataDir] = [text(args, 'filename'), text(args, 'data-dir')];
  await restore({
    file,
    dataDir,
    walDir: text(args, 'wal-dir'),
    name: text(args, 'name'),
    initialCluster: parseInitialCluster(text(args, 'initial-cluster')),
    initialClusterToken: text(args, 'initial-cluster-token'),
    advertisePeerURLs: text(args, 'initial-advertise-peer-urls')
      .split(',')
      .map((url) => parseUrlAddress(url).text),
    skipHashCheck: args['skip-hash-check'] === true,
    bumpRevision,
  });
  return `Snapshot ${file} restored to ${dataDir}`;
}

/** Of an option that is given several times the last counts. */
function valueOf(args: Args, name: string): unknown {
  const value = args[name];
  return Array.isArray(value) ? (value as unknown[]).at(-1) : value;
}

function text(args: Args, name: string): string {
  const value = valueOf(args, name);
  return typeof value === 'string' ? value : '';
}

function wholeNumber(args: Args, name: string): number {
  const value = valueOf(args, name);
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new BadArguments(`invalid argument for --${name}: a whole number, not less than 0`);
}

function milliseconds(args: Args, name: string): number {
  const value = parseGoDurationMs(text(args, name));
  if (value !== undefined && value > 0) return value;
  throw new BadArguments(`invalid argument ${JSON.stringify(text(args, name))} for --${name}: a time like 2s or 1m30s`);
}
