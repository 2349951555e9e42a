/** Whether the cluster could go back to an earlier minor version. */
import { Code, EtcdError, etcdError } from '../base/etcd-error.ts';
import { DowngradeAction, type DowngradeRequest, type DowngradeResponseInit } from '../gen/rpc.ts';
import type { ServerCore } from './core.ts';

/** `X.Y` or `X.Y.Z`. */
const VERSION = /^(\d+)\.(\d+)(?:\.\d+)?$/;

/** VALIDATE is answered; ENABLE is not supported yet, and so there is never anything to CANCEL. */
export async function downgrade(core: ServerCore, request: DowngradeRequest): Promise<DowngradeResponseInit> {
  switch (request.action) {
    case DowngradeAction.VALIDATE:
      await core.linearizable();
      return validate(core, request.version);
    case DowngradeAction.ENABLE:
      await core.linearizable();
      validate(core, request.version);
      throw new EtcdError(Code.Unimplemented, 'quorate: downgrades are not supported yet');
    case DowngradeAction.CANCEL:
      return { header: core.header(core.parts.store.currentRev), version: minorOf(clusterVersion(core)) };
    default:
      throw new EtcdError(Code.Unknown, 'etcdserver: unknown method');
  }
}

function validate(core: ServerCore, target: string): DowngradeResponseInit {
  const parts = VERSION.exec(target);
  if (parts === null) throw etcdError('WrongDowngradeVersionFormat');
  const current = clusterVersion(core);
  const [major, minor] = current.split('.').map(Number);
  if (Number(parts[1]) !== major || Number(parts[2]) !== (minor ?? 0) - 1) {
    throw etcdError('InvalidDowngradeTargetVersion');
  }
  return { header: core.header(core.parts.store.currentRev), version: minorOf(current) };
}

function clusterVersion(core: ServerCore): string {
  const { version } = core.parts.cluster;
  if (version === undefined) throw etcdError('ClusterVersionUnavailable');
  return version;
}

function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}
