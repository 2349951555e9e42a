/** etcdserverpb.Cluster. */
import { decodeMemberListRequest, encodeMemberListResponse } from '../../gen/rpc.ts';
import { ClusterService } from '../../gen/services.ts';
import type { ClusterApi } from '../../server/cluster-api.ts';
import type { ServiceRegistry } from '../service-registry.ts';

export function registerCluster(registry: ServiceRegistry, cluster: ClusterApi): void {
  const { MemberList, MemberAdd, MemberRemove, MemberUpdate, MemberPromote } = ClusterService.methods;
  registry.unary(MemberList.path, async (_ctx, bytes) =>
    encodeMemberListResponse(await cluster.list(decodeMemberListRequest(bytes).linearizable)),
  );
  for (const { path } of [MemberAdd, MemberRemove, MemberUpdate, MemberPromote]) {
    registry.unary(path, () => cluster.refuse());
  }
}
