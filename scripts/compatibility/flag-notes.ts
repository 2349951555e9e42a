/** Why a flag of etcd's has no effect here, or is not offered. Flags without a note get what their group says. */

export const FLAG_NOTES: Readonly<Record<string, string>> = {
  'backend-bbolt-freelist-type': 'The database is LMDB.',
  'backend-batch-limit': 'Commits are as large as what has gathered.',
  'socket-reuse-port': 'Sockets are not shared with other processes.',
  'socket-reuse-address': 'Node always sets it.',
  'raft-read-timeout': 'Always 5 s, which is the least in etcd.',
  'raft-write-timeout': 'Always 5 s, which is the least in etcd.',
  'memory-mlock': 'The database is mapped from its file; the system decides what stays in memory.',
  'disable-log-sampling': 'No line of a burst is left out.',
  'bootstrap-defrag-threshold-megabytes': 'A defragmentation is never needed for speed, and can be done while serving.',
  'max-snapshots': 'No .snap files are written.',
  'v2-deprecation': 'There is no v2 API.',
  'enable-v2': 'The v2 API, which etcd 3.6 has dropped.',
  'experimental-enable-v2v3': 'The v2 API, which etcd 3.6 has dropped.',
  'experimental-wait-cluster-ready-timeout': 'A member serves when it can.',
  discovery: 'The public v2 discovery service. There is discovery by etcd v3 and by DNS.',
  'discovery-proxy': 'See discovery.',
  proxy: 'The v2 proxy, which etcd 3.6 has dropped.',
};

const PROXY_TIMES = /^proxy-/;

export function flagNote(name: string): string {
  if (PROXY_TIMES.test(name)) return 'See proxy.';
  return FLAG_NOTES[name] ?? '';
}
