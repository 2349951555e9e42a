/** The log and the .snap file of a restored member: as of a cluster that was just founded. */
import type { ConfState } from '../../gen/raftpb.ts';
import { Cluster } from '../../membership/cluster.ts';
import { NodeClock } from '../../platform/node-clock.ts';
import type { FileSystem } from '../../ports/file-system.ts';
import { silentLogger } from '../../ports/logger.ts';
import type { Bootstrap } from '../../server/bootstrap.ts';
import { encodeLegacyStore } from '../../server/legacy-store.ts';
import { SnapFiles } from '../../storage/snap/snap-files.ts';
import { createWal } from '../../storage/wal/open.ts';

/** Everybody who founds the cluster votes. */
export function bootConfState({ members }: Bootstrap): ConfState {
  const voters = members.map(({ id }) => id);
  return { voters, learners: [], votersOutgoing: [], learnersNext: [], autoLeave: false };
}

/** Writes the log: who the members are, committed, and a mark behind it. */
export async function writeRestoredLog(files: FileSystem, dir: string, first: Bootstrap): Promise<void> {
  const { self, clusterId, entries, members } = first;
  const wal = createWal(
    { fs: files, dir, clock: new NodeClock(), logger: silentLogger },
    { nodeID: self.id, clusterID: clusterId },
  );
  const hardState = { ...first.hardState, vote: members[0]?.id ?? 0n };
  await done((ended) => wal.append(hardState, entries, true, ended));
  await done((ended) => wal.markSnapshot({ index: entries.length, term: 1, confState: bootConfState(first) }, ended));
  await done((ended) => wal.close(ended));
}

/** etcd up to 3.7 wants it for the mark; its data are the members, as the store of etcd 2 had them. */
export function writeRestoredSnap(files: FileSystem, dir: string, first: Bootstrap): void {
  const cluster = new Cluster({ put: () => {}, delete: () => {}, rows: () => [] });
  for (const member of first.members) cluster.add({ ...member, name: '' });
  new SnapFiles(files, dir, silentLogger).write({
    data: encodeLegacyStore(cluster),
    metadata: { index: first.entries.length, term: 1, confState: bootConfState(first) },
  });
}

function done(start: (ended: (error: Error | undefined) => void) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    start((error) => (error === undefined ? resolve() : reject(error)));
  });
}
