import type { OptionSpec } from '../option-spec.ts';

export const TUNING_OPTIONS = [
  {
    name: 'warning-apply-duration',
    type: 'duration',
    default: '100ms',
    support: 'supported',
    former: ['experimental-warning-apply-duration'],
    help: 'Applying a log entry for longer than this is logged as a warning.',
  },
  {
    name: 'warning-unary-request-duration',
    type: 'duration',
    default: '300ms',
    support: 'supported',
    former: ['experimental-warning-unary-request-duration'],
    help: 'Answering a unary request for longer than this is logged as a warning.',
  },
  {
    name: 'watch-progress-notify-interval',
    type: 'duration',
    default: '10m',
    support: 'supported',
    former: ['experimental-watch-progress-notify-interval'],
    help: 'Time between two progress notices to an idle watch that asked for them.',
  },
  {
    name: 'compaction-batch-limit',
    type: 'int',
    default: '1000',
    support: 'supported',
    former: ['experimental-compaction-batch-limit'],
    help: 'Revisions that compaction looks at between two pauses. With this and compaction-sleep-interval at their defaults, it does not pause, it only gives way to requests.',
  },
  {
    name: 'compaction-sleep-interval',
    type: 'duration',
    default: '10ms',
    support: 'supported',
    former: ['experimental-compaction-sleep-interval'],
    help: 'Pause between two batches of compaction. 0: the default.',
  },
  {
    name: 'corrupt-check-time',
    type: 'duration',
    default: '0s',
    support: 'supported',
    former: ['experimental-corrupt-check-time'],
    help: 'Time between two comparisons of the data of all members. 0: never.',
  },
  {
    name: 'compact-hash-check-time',
    type: 'duration',
    default: '1m',
    support: 'supported',
    former: ['experimental-compact-hash-check-time'],
    help: "Time between two comparisons of all members' compaction hashes, with feature gate CompactHashCheck.",
  },
  {
    name: 'bootstrap-defrag-threshold-megabytes',
    type: 'uint',
    default: '0',
    support: 'supported',
    former: ['experimental-bootstrap-defrag-threshold-megabytes'],
    help: 'Defragment at start when that frees at least so much. 0: never.',
  },
] as const satisfies readonly OptionSpec[];

export const UNSAFE_OPTIONS = [
  {
    name: 'force-new-cluster',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Make the data of this member a cluster of its own: only when all others are lost. Drop it after the first start.',
  },
  {
    name: 'unsafe-no-fsync',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Do not wait for the disk: a crash of the machine loses data.',
  },
] as const satisfies readonly OptionSpec[];
