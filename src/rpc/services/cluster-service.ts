/** etcdserverpb.Cluster. */
import {
  decodeMemberAddRequest,
  decodeMemberListRequest,
  decodeMemberPromoteRequest,
  decodeMemberRemoveRequest,
  decodeMemberUpdateRequest,
  encodeMemberListResponse,
} from '../../gen/rpc.ts';
import { ClusterService } from '../../gen/services.ts';
import type { ClusterApi } from '../../server/cluster-api.ts';
import type { ServiceRegistry } from '../service-registry.ts';

export function registerCluster(registry: ServiceRegistry, cluster: ClusterApi): void {
  const { MemberList, MemberAdd, MemberRemove, MemberUpdate, MemberPromote } = ClusterService.methods;
  registry.unary(MemberList.path, async (_ctx, bytes) =>
    encodeMemberListResponse(await cluster.list(decodeMemberListRequest(bytes).linearizable)),
  );
  registry.unary(MemberAdd.path, (_ctx, bytes) => cluster.add(decodeMemberAddRequest(bytes)));
  registry.unary(MemberRemove.path, (_ctx, bytes) => cluster.remove(decodeMemberRemoveRequest(bytes).ID));
  registry.unary(MemberUpdate.path, (_ctx, bytes) => cluster.update(decodeMemberUpdateRequest(bytes)));
  registry.unary(MemberPromote.path, (_ctx, bytes) => cluster.promote(decodeMemberPromoteRequest(bytes).ID));
}
