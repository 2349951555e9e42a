/** HTTP paths of etcd, what a probe of each answers there and here, and so what works. A test sends the probes to both. */
import { GATEWAY_PATHS } from '../../src/http/gateway/paths.ts';
import type { Status } from './entry.ts';

/** Where a path is: on client URLs, on those of --listen-metrics-urls, on peer URLs. */
export type Listener = 'client' | 'metrics' | 'peer';

export interface PathProbe {
  readonly listener: Listener;
  readonly method: 'GET' | 'POST';
  /** With the query of the probe, if any. */
  readonly path: string;
  /** How it is shown, when not as `path`. */
  readonly shown?: string;
  readonly body?: string;
  /** Answered by a real etcd 3.5, and here too where `own` is not given. */
  readonly status: number;
  readonly own?: number;
  readonly is?: Status;
  readonly note?: string;
}

const PPROF = 'With --enable-pprof.';
const MONITORING: readonly Omit<PathProbe, 'listener'>[] = [
  { method: 'GET', path: '/health', status: 200 },
  { method: 'GET', path: '/health?serializable=true', status: 200 },
  { method: 'GET', path: '/health?exclude=NOSPACE', status: 200 },
  { method: 'POST', path: '/health', status: 405 },
  { method: 'GET', path: '/livez', status: 200 },
  { method: 'GET', path: '/livez/serializable_read', status: 200 },
  { method: 'GET', path: '/readyz', status: 200 },
  { method: 'GET', path: '/readyz?verbose', status: 200 },
  { method: 'GET', path: '/readyz/data_corruption', status: 200 },
  { method: 'GET', path: '/readyz/serializable_read', status: 200 },
  { method: 'GET', path: '/readyz/linearizable_read', status: 200 },
  { method: 'GET', path: '/readyz/non_learner', status: 200 },
  { method: 'GET', path: '/metrics', status: 200 },
];

const DEBUG: readonly Omit<PathProbe, 'listener'>[] = [
  {
    method: 'GET',
    path: '/debug/vars',
    status: 200,
    is: 'differs',
    note: "`memstats` has Node's figures, under Go's names where they mean the same.",
  },
  { method: 'GET', path: '/debug/pprof', status: 301, note: PPROF },
  { method: 'GET', path: '/debug/pprof/', status: 200, is: 'differs', note: `${PPROF} Lists what there is here.` },
  { method: 'GET', path: '/debug/pprof/cmdline', status: 200, note: PPROF },
  ...['profile', 'heap', 'allocs'].map((name): Omit<PathProbe, 'listener'> => ({
    method: 'GET',
    path: `/debug/pprof/${name}?seconds=1`,
    shown: `/debug/pprof/${name}?seconds=N`,
    status: 200,
    is: 'differs',
    note: `${PPROF} Node's ${name === 'profile' ? '.cpuprofile' : '.heapprofile'} instead of Go's format ([observability.md](observability.md)).`,
  })),
  ...['goroutine', 'threadcreate', 'block', 'mutex', 'symbol', 'trace?seconds=1'].map(
    (name): Omit<PathProbe, 'listener'> => ({
      method: 'GET',
      path: `/debug/pprof/${name}`,
      shown: `/debug/pprof/${name.replace(/\?.*/, '')}`,
      status: 200,
      own: 501,
      is: 'not offered',
      note: 'About the Go runtime. The answer says what to look at instead.',
    }),
  ),
];

const CLIENT: readonly Omit<PathProbe, 'listener'>[] = [
  { method: 'GET', path: '/version', status: 200, note: 'With `storage`, as etcd 3.6.' },
  { method: 'POST', path: '/version', status: 405 },
  ...MONITORING,
  ...DEBUG,
  { method: 'GET', path: '/v3', status: 301 },
  { method: 'GET', path: '/v3/kv/range', status: 501 },
  { method: 'POST', path: '/v3/unknown', status: 404 },
  { method: 'POST', path: '/v3beta/kv/range', body: '{', shown: '/v3beta/…', status: 400, note: 'As /v3/….' },
  { method: 'GET', path: '/', status: 404 },
  ...['/v2/keys', '/v2/members', '/v2/stats/self', '/v2/machines'].map((path): Omit<PathProbe, 'listener'> => ({
    method: 'GET',
    path,
    status: 404,
    is: 'not offered',
    note: 'The v2 API, which etcd 3.5 has switched off too unless told otherwise, and 3.6 has dropped.',
  })),
  {
    method: 'GET',
    path: '/debug/requests',
    status: 404,
    is: 'not offered',
    note: 'Pages of a Go library, only there at log level debug. See --enable-distributed-tracing.',
  },
];

/** Not with a body that is refused as JSON: it is read only after the answer has begun. */
const STREAMS_IN: ReadonlySet<string> = new Set(['watch', 'lease/keepalive']);

/** Every path of the JSON gateway; a body that is no JSON shows that it is there without doing anything. */
const GATEWAY: readonly Omit<PathProbe, 'listener'>[] = Object.entries(GATEWAY_PATHS).map(([path, rpc]) => ({
  method: STREAMS_IN.has(path) ? 'GET' : 'POST',
  path: `/v3/${path}`,
  ...(!STREAMS_IN.has(path) && { body: '{' }),
  status: STREAMS_IN.has(path) ? 501 : 400,
  ...(STREAMS_IN.has(path) && { is: 'differs', shown: `POST /v3/${path}` }),
  note: `${rpc.slice(1)}${STREAMS_IN.has(path) ? '. Not through WebSockets.' : ''}`,
}));

const PEER: readonly Omit<PathProbe, 'listener'>[] = [
  { method: 'POST', path: '/raft', status: 412 },
  { method: 'GET', path: '/raft', status: 405 },
  { method: 'GET', path: '/raft/stream/msgapp/1', shown: '/raft/stream/msgapp/ID', status: 412 },
  { method: 'GET', path: '/raft/stream/message/1', shown: '/raft/stream/message/ID', status: 412 },
  { method: 'POST', path: '/raft/snapshot', status: 412 },
  { method: 'GET', path: '/raft/probing', status: 200 },
  { method: 'GET', path: '/members', status: 200 },
  { method: 'POST', path: '/members/promote/1', shown: '/members/promote/ID', status: 404 },
  { method: 'GET', path: '/members/hashkv', status: 400 },
  { method: 'POST', path: '/leases', body: 'x', status: 400 },
  { method: 'POST', path: '/leases/internal', body: 'x', status: 400 },
  { method: 'GET', path: '/version', status: 200 },
  { method: 'GET', path: '/downgrade/enabled', status: 200 },
  { method: 'GET', path: '/health', status: 404 },
  { method: 'GET', path: '/metrics', status: 404 },
];

function on(listener: Listener, probes: readonly Omit<PathProbe, 'listener'>[]): PathProbe[] {
  return probes.map((probe) => ({ listener, ...probe }));
}

export const HTTP_PATHS: readonly PathProbe[] = [
  ...on('client', [...CLIENT, ...GATEWAY]),
  ...on('metrics', [...MONITORING, { method: 'GET', path: '/version', status: 404 }]),
  ...on('metrics', [{ method: 'GET', path: '/debug/vars', status: 404 }]),
  ...on('peer', PEER),
];
