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
  registry.unary(MemberList.path, async (ctx, bytes) =>
    encodeMemberListResponse(await cluster.list(ctx, decodeMemberListRequest(bytes).linearizable)),
  );
  registry.unary(MemberAdd.path, async (ctx, bytes) =>
    encodeMemberAddResponse(await cluster.add(ctx, decodeMemberAddRequest(bytes))),
  );
  registry.unary(MemberRemove.path, async (ctx, bytes) =>
    encodeMemberRemoveResponse(await cluster.remove(ctx, decodeMemberRemoveRequest(bytes).ID)),
  );
  registry.unary(MemberUpdate.path, async (ctx, bytes) =>
    encodeMemberUpdateResponse(await cluster.update(ctx, decodeMemberUpdateRequest(bytes))),
  );
  registry.unary(MemberPromote.path, async (ctx, bytes) =>
    encodeMemberPromoteResponse(await cluster.promote(ctx, decodeMemberPromoteRequest(bytes).ID)),
  );
}
