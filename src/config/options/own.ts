import type { OptionSpec } from '../option-spec.ts';

/** What etcd has no flag for. */
export const OWN_OPTIONS = [
  {
    name: 'enable-ui',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Serve a read-only dashboard at /ui on the client and metrics URLs (docs/ui.md).',
  },
] as const satisfies readonly OptionSpec[];
