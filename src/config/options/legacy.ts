/** Options that some release of etcd had and a later one removed, so that an old command line is answered clearly. */
import type { OptionSpec } from '../option-spec.ts';

/** Former switches of what are feature gates now (feature-gates.ts). */
export const GATE_OPTIONS = [
  {
    name: 'experimental-initial-corrupt-check',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Feature gate InitialCorruptCheck.',
  },
  {
    name: 'experimental-compact-hash-check-enabled',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Feature gate CompactHashCheck.',
  },
  {
    name: 'experimental-enable-lease-checkpoint',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Feature gate LeaseCheckpoint.',
  },
  {
    name: 'experimental-enable-lease-checkpoint-persist',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Feature gate LeaseCheckpointPersist.',
  },
  {
    name: 'experimental-stop-grpc-service-on-defrag',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Feature gate StopGRPCServiceOnDefrag.',
  },
  {
    name: 'experimental-txn-mode-write-with-shared-buffer',
    type: 'bool',
    default: 'true',
    support: 'supported',
    help: 'Feature gate TxnModeWriteWithSharedBuffer.',
  },
] as const satisfies readonly OptionSpec[];

export const REMOVED_OPTIONS = [
  {
    name: 'max-snapshots',
    type: 'uint',
    default: '5',
    support: 'noEffect',
    help: 'Snapshot files that are kept. 0: all.',
  },
  {
    name: 'v2-deprecation',
    type: 'string',
    default: 'not-yet',
    choices: ['not-yet', 'write-only', 'write-only-drop-data', 'gone'],
    support: 'noEffect',
    help: 'How the store of the v2 API was to be retired.',
  },
  { name: 'enable-v2', type: 'bool', default: 'false', support: 'removed', help: 'Serve the v2 API.' },
  {
    name: 'experimental-enable-v2v3',
    type: 'string',
    default: '',
    support: 'removed',
    help: 'Serve the v2 API from keys with this prefix.',
  },
  {
    name: 'experimental-wait-cluster-ready-timeout',
    type: 'duration',
    default: '5s',
    support: 'noEffect',
    help: 'How long a start waited for the cluster.',
  },
  { name: 'discovery', type: 'string', default: '', support: 'removed', help: 'URL of a v2 discovery service.' },
  {
    name: 'discovery-proxy',
    type: 'string',
    default: '',
    support: 'removed',
    help: 'HTTP proxy towards that service.',
  },
  {
    name: 'proxy',
    type: 'string',
    default: 'off',
    choices: ['off', 'readonly', 'on'],
    support: 'removed',
    help: 'Run as a proxy of the v2 API.',
  },
  {
    name: 'proxy-failure-wait',
    type: 'uint',
    default: '5000',
    support: 'noEffect',
    help: 'Milliseconds that proxy avoided a failed endpoint.',
  },
  {
    name: 'proxy-refresh-interval',
    type: 'uint',
    default: '30000',
    support: 'noEffect',
    help: 'Milliseconds between two refreshes of its endpoints.',
  },
  {
    name: 'proxy-dial-timeout',
    type: 'uint',
    default: '1000',
    support: 'noEffect',
    help: 'Milliseconds for it to connect.',
  },
  {
    name: 'proxy-write-timeout',
    type: 'uint',
    default: '5000',
    support: 'noEffect',
    help: 'Milliseconds for it to write.',
  },
  { name: 'proxy-read-timeout', type: 'uint', default: '0', support: 'noEffect', help: 'Milliseconds for it to read.' },
] as const satisfies readonly OptionSpec[];

/** Accepted without a word, as etcd does. */
export const IGNORED_OPTIONS = [
  { name: 'cluster-active-size', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'cluster-remove-delay', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'cluster-sync-interval', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'config', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'force', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'max-result-buffer', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'max-retry-attempts', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  {
    name: 'peer-heartbeat-interval',
    type: 'ignored',
    default: '',
    support: 'noEffect',
    fileKey: null,
    help: 'Ignored.',
  },
  { name: 'peer-election-timeout', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'retry-interval', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'snapshot', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'v', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
  { name: 'vv', type: 'ignored', default: '', support: 'noEffect', fileKey: null, help: 'Ignored.' },
] as const satisfies readonly OptionSpec[];
