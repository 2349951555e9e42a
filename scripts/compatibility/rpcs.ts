/** RPCs of etcd: those of the protocol files in proto/, all of which are served. */
import { ALL_SERVICES } from '../../src/gen/services.ts';
import type { Entry, Status } from './entry.ts';

interface Remark {
  readonly status: Status;
  readonly note: string;
}

/** Of what is worth a word. */
const REMARKS: Readonly<Record<string, Remark>> = {
  'etcdserverpb.KV/RangeStream': { status: 'works', note: 'Of etcd 3.7; etcd 3.5 does not have it.' },
  'etcdserverpb.Maintenance/Defragment': {
    status: 'differs',
    note: 'Reads and writes go on meanwhile. It is never needed for speed: free pages are used again.',
  },
  'etcdserverpb.Maintenance/Snapshot': {
    status: 'works',
    note: 'A database file of etcd, made from the database here while the first bytes wait.',
  },
  'etcdserverpb.Maintenance/Status': {
    status: 'works',
    note: 'The version is that of the etcd release that quorate behaves like; sizes are those of its own database.',
  },
};

export const RPCS: readonly Entry[] = ALL_SERVICES.flatMap(({ name: service, methods }) =>
  Object.keys(methods).map((method): Entry => {
    const name = `${service}/${method}`;
    return { name, ...(REMARKS[name] ?? { status: 'works', note: '' }) };
  }),
);

/** Remarks on RPCs that do not exist: none, if nobody mistyped one. */
export const STRAY_REMARKS: readonly string[] = Object.keys(REMARKS).filter(
  (name) => !RPCS.some((rpc) => rpc.name === name),
);
