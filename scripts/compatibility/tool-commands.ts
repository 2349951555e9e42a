/**
 * Commands of etcd's tools. Tests check that they are all that the real tools have, and that the named test runs the command, whose
 * output it compares with a real etcd's where both are asked.
 */
import { isSubcommand } from '../../src/cli/subcommands.ts';
import type { Status } from './entry.ts';

/** Below test/integration, and the title of a test there. */
export interface CommandTest {
  readonly file: string;
  readonly title: string;
}

export interface ToolCommand {
  readonly command: string;
  readonly status: Status;
  readonly note?: string;
  /** undefined: the tool asks no server, and reads no file of one. */
  readonly test?: CommandTest;
}

const ALONE = 'etcdctl.test.ts';
const CLUSTER = 'etcdctl-cluster.test.ts';
const RESTORE = { file: 'snapshot-restore.test.ts', title: 'a snapshot restored by etcdutl starts a real etcd' };

function runBy(file: string, title: string, ...commands: string[]): ToolCommand[] {
  return commands.map((command) => ({ command, status: 'works', test: { file, title } }));
}

const LOCAL = ['completion bash', 'completion fish', 'completion powershell', 'completion zsh', 'help', 'version'];
const SHELLS = ['completion', 'help', 'version'];

const AUTH = [
  ...['enable', 'disable', 'status'].map((name) => `auth ${name}`),
  ...['add', 'delete', 'get', 'list', 'passwd', 'grant-role', 'revoke-role'].map((name) => `user ${name}`),
  ...['add', 'delete', 'get', 'list', 'grant-permission', 'revoke-permission'].map((name) => `role ${name}`),
];

export const ETCDCTL_COMMANDS: readonly ToolCommand[] = [
  ...runBy(ALONE, 'put and get in every format', 'put', 'get'),
  ...runBy(ALONE, 'del', 'del'),
  ...runBy(ALONE, 'txn', 'txn'),
  ...runBy(ALONE, 'watch', 'watch'),
  ...runBy(ALONE, 'compaction', 'compaction'),
  ...runBy(ALONE, 'lease', 'lease grant', 'lease revoke', 'lease timetolive', 'lease list', 'lease keep-alive'),
  ...runBy(ALONE, 'lock', 'lock'),
  ...runBy(ALONE, 'elect', 'elect'),
  ...runBy(ALONE, 'make-mirror, in both directions', 'make-mirror'),
  ...runBy(ALONE, 'snapshot save', 'snapshot save', 'snapshot status', 'snapshot restore'),
  ...runBy(
    ALONE,
    'endpoint health, hashkv, member list, defrag and alarm',
    'endpoint health',
    'endpoint hashkv',
    'defrag',
    'alarm list',
    'alarm disarm',
  ),
  ...runBy(ALONE, 'endpoint status', 'endpoint status'),
  ...runBy(ALONE, 'users, roles and authentication', ...AUTH),
  ...runBy(ALONE, 'check datascale', 'check datascale'),
  {
    command: 'check perf',
    status: 'works',
    note: 'Tested by command: it takes a minute for each server.',
    test: { file: ALONE, title: 'check perf' },
  },
  ...runBy(CLUSTER, 'move-leader', 'move-leader'),
  ...runBy(CLUSTER, 'a learner', 'member add', 'member list', 'member promote'),
  ...runBy(CLUSTER, 'update, and removal of a member', 'member update', 'member remove'),
  ...LOCAL.map((command): ToolCommand => ({ command, status: 'works', note: 'Asks no server.' })),
];

/** What there is here instead, once it is. */
function own(command: string): string {
  return isSubcommand([command.split(' ')[0] ?? '']) ? ` \`quorate ${command}\` does the same.` : '';
}

const OWN_DATABASE = "For etcd's data directories; the database here is another.";

export const ETCDUTL_COMMANDS: readonly ToolCommand[] = [
  { command: 'snapshot status', status: 'works', note: own('snapshot status').trim(), test: RESTORE },
  { command: 'snapshot restore', status: 'works', note: own('snapshot restore').trim(), test: RESTORE },
  {
    command: 'defrag',
    status: 'not offered',
    note: `${OWN_DATABASE} \`etcdctl defrag\` works, and is hardly ever of use.`,
  },
  { command: 'backup', status: 'not offered', note: `${OWN_DATABASE} Use \`etcdctl snapshot save\`.` },
  { command: 'check v2store', status: 'not offered', note: 'There is no v2 store.' },
  ...SHELLS.map((command): ToolCommand => ({ command, status: 'works', note: 'Asks no server.' })),
];

/** Of the program `etcd` itself: not part of quorate. */
export const ETCD_SUBCOMMANDS: readonly ToolCommand[] = ['gateway', 'grpc-proxy'].map((command) => ({
  command,
  status: 'not offered',
  note: "etcd's own works in front of quorate as in front of etcd.",
  test: { file: 'proxies.test.ts', title: `etcd's ${command}` },
}));
