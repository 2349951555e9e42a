/** The dashboard's view of this member, and its way to the others. Read when the dashboard is first asked for. */
import type { LookupFunction } from 'node:net';
import type { ConnectionOptions } from 'node:tls';
import { AlarmType, decodeStatusResponse, encodeStatusRequest, type StatusResponseInit } from '../gen/rpc.ts';
import { MaintenanceService } from '../gen/services.ts';
import type { ClusterSource, KnownMember, OwnView } from '../http/ui/cluster-source.ts';
import { Dashboard } from '../http/ui/dashboard.ts';
import type { Clock } from '../ports/clock.ts';
import { UnaryClient } from '../rpc/unary-client.ts';
import { SELF } from '../server/caller.ts';
import type { ServerCore } from '../server/core.ts';
import type { MaintenanceApi } from '../server/maintenance-api.ts';
import type { StatusView } from '../ui/cluster-view.ts';

export interface DashboardParts {
  readonly core: ServerCore;
  readonly maintenance: MaintenanceApi;
  readonly clock: Clock;
  /** Towards other members' client URLs: what a client of theirs would use. */
  readonly tls: (() => ConnectionOptions) | undefined;
  readonly lookup: LookupFunction;
}

export interface RunningDashboard {
  readonly dashboard: Dashboard;
  readonly close: () => void;
}

export async function openDashboard(parts: DashboardParts): Promise<RunningDashboard> {
  const source = new MemberSource(parts);
  const dashboard = await Dashboard.load({ source, clock: parts.clock });
  return { dashboard, close: () => source.close() };
}

class MemberSource implements ClusterSource {
  readonly #core: ServerCore;
  readonly #maintenance: MaintenanceApi;
  readonly #client: UnaryClient;

  constructor({ core, maintenance, clock, tls, lookup }: DashboardParts) {
    this.#core = core;
    this.#maintenance = maintenance;
    this.#client = new UnaryClient({ clock, tls, lookup });
  }

  close(): void {
    this.#client.close();
  }

  permit(token: string | undefined): Promise<void> {
    return this.#core.parts.authenticator.requireUser({ ...SELF, token });
  }

  own(): OwnView {
    const { clusterId, memberId, serverVersion, cluster, node, store, alarms, auth } = this.#core.parts;
    return {
      clusterId: clusterId.toString(16),
      memberId: memberId.toString(16),
      version: serverVersion,
      ...(cluster.version !== undefined && { clusterVersion: cluster.version }),
      leader: node.leader.toString(16),
      term: node.term,
      revision: store.currentRev,
      alarms: alarms.list(AlarmType.NONE).map(({ memberID, alarm }) => ({
        memberId: memberID.toString(16),
        alarm: Object.entries(AlarmType).find(([, value]) => value === alarm)?.[0] ?? String(alarm),
      })),
      members: cluster.members().map((member) => this.#known(member)),
      authEnabled: auth.enabled,
      status: statusView(this.#maintenance.ownStatus()),
    };
  }

  async status(clientURLs: readonly string[], token: string | undefined, timeoutMs: number): Promise<StatusView> {
    const urls = clientURLs.filter((url) => /^https?:/.test(url));
    if (urls.length === 0) throw new Error('it advertises no client URL that can be asked');
    let failure: unknown;
    for (const url of urls) {
      try {
        const bytes = await this.#client.call(url, {
          path: MaintenanceService.methods.Status.path,
          request: encodeStatusRequest({}),
          ...(token !== undefined && { metadata: { token } }),
          timeoutMs: timeoutMs / urls.length,
        });
        return statusView(decodeStatusResponse(bytes));
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  #known(member: Omit<KnownMember, 'id'> & { readonly id: bigint }): KnownMember {
    const { transport, clock } = this.#core.parts;
    const { id, name, isLearner, clientURLs, peerURLs } = member;
    const sinceMs = transport.activeSince(id);
    const roundTripMs = transport.roundTrip(id)?.smoothedMs;
    return {
      id: id.toString(16),
      name,
      isLearner,
      clientURLs,
      peerURLs,
      ...(sinceMs !== undefined && { connectedMs: Math.round(clock.monotonicMs() - sinceMs) }),
      ...(roundTripMs !== undefined && { roundTripMs }),
    };
  }
}

function statusView(status: StatusResponseInit): StatusView {
  return {
    version: status.version ?? '',
    leader: (status.leader ?? 0n).toString(16),
    term: status.raftTerm ?? 0,
    raftIndex: status.raftIndex ?? 0,
    appliedIndex: status.raftAppliedIndex ?? 0,
    dbSizeBytes: status.dbSize ?? 0,
    dbInUseBytes: status.dbSizeInUse ?? 0,
    quotaBytes: status.dbSizeQuota ?? 0,
    errors: status.errors ?? [],
  };
}
