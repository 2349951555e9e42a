/** Going back to an earlier minor version (etcd-behaviour §2.10). */
import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import { DowngradeAction, type DowngradeRequest, type DowngradeResponseInit } from '../gen/rpc.ts';
import { isDowngradeFrom, minorOf, parseTarget, shortVersion } from '../membership/versions.ts';
import type { ServerCore } from './core.ts';

/** Rejects with WrongDowngradeVersionFormat, InvalidDowngradeTargetVersion, DowngradeInProcess, ClusterVersionUnavailable. */
export async function downgrade(core: ServerCore, request: DowngradeRequest): Promise<DowngradeResponseInit> {
  switch (request.action) {
    case DowngradeAction.VALIDATE:
      await validate(core, request.version);
      return answer(core);
    case DowngradeAction.ENABLE:
      await setDowngrade(core, { enabled: true, ver: await validate(core, request.version) });
      return answer(core);
    case DowngradeAction.CANCEL:
      await core.linearizable();
      // Where there is nothing to cancel etcd says OK too.
      if (core.parts.cluster.downgrade.isEnabled) await setDowngrade(core, { enabled: false, ver: '' });
      return answer(core);
    default:
      throw new EtcdError(Code.Unknown, 'etcdserver: unknown method');
  }
}

/** Puts the wish, or its end, through the log. */
export async function setDowngrade(core: ServerCore, request: { enabled: boolean; ver: string }): Promise<void> {
  await core.proposeInternal({ downgradeInfoSet: request }, { kind: 'downgradeInfoSet', request });
}

/** The target as a version of the cluster. */
async function validate(core: ServerCore, text: string): Promise<string> {
  const target = parseTarget(text);
  if (target === undefined) throw etcdError('WrongDowngradeVersionFormat');
  clusterVersion(core);
  await core.linearizable();
  const { cluster, serverVersion } = core.parts;
  if (!isDowngradeFrom(clusterVersion(core), target)) throw etcdError('InvalidDowngradeTargetVersion');
  if (cluster.downgrade.isEnabled) throw etcdError('DowngradeInProcess');
  // Members of etcd 3.5 end themselves when their cluster is to go to 3.4, and this server cannot go below its own schema's.
  if (minorOf(target) < minorOf(serverVersion) - 1) throw etcdError('InvalidDowngradeTargetVersion');
  return target;
}

function clusterVersion(core: ServerCore): string {
  const { version } = core.parts.cluster;
  if (version === undefined) throw etcdError('ClusterVersionUnavailable');
  return version;
}

function answer(core: ServerCore): DowngradeResponseInit {
  return { header: core.header(core.parts.store.currentRev), version: shortVersion(clusterVersion(core)) };
}
