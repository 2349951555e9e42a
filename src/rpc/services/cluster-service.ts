/** etcdserverpb.Cluster. */
import {
  decodeMemberAddRequest,
  decodeMemberListRequest,
  decodeMemberPromoteRequest,
  decodeMemberRemoveRequest,
  decodeMemberUpdateRequest,
  encodeMemberAddResponse,
  encodeMemberListResponse,
  encodeMemberPromoteResponse,
  encodeMemberRemoveResponse,
  encodeMemberUpdateResponse,
} from '../../gen/rpc.ts';
import { ClusterService } from '../../gen/services.ts';
import type { ClusterApi } from '../../server/cluster-api.ts';
import type { ServiceRegistry } from '../service-registry.ts';

export function registerCluster(registry: ServiceRegistry, cluster: ClusterApi): void {
  const { MemberList, MemberAdd, MemberRemove, MemberUpdate, MemberPromote } = ClusterService.methods;
  registry.unary(MemberList.path, async (_ctx, bytes) =>
    encodeMemberListResponse(await cluster.list(decodeMemberListRequest(bytes).linearizable)),
  );
  registry.unary(MemberAdd.path, async (_ctx, bytes) =>
    encodeMemberAddResponse(await cluster.add(decodeMemberAddRequest(bytes))),
  );
  registry.unary(MemberRemove.path, async (_ctx, bytes) =>
    encodeMemberRemoveResponse(await cluster.remove(decodeMemberRemoveRequest(bytes).ID)),
  );
  registry.unary(MemberUpdate.path, async (_ctx, bytes) =>
    encodeMemberUpdateResponse(await cluster.update(decodeMemberUpdateRequest(bytes))),
  );
  registry.unary(MemberPromote.path, async (_ctx, bytes) =>
    encodeMemberPromoteResponse(await cluster.promote(decodeMemberPromoteRequest(bytes).ID)),
  );
}
