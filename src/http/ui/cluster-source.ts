/** What the dashboard's server side asks of the member that it runs in. */
import type { AlarmView, MemberView, StatusView } from '../../ui/cluster-view.ts';

/** What this member knows by itself. */
export interface OwnView {
  readonly clusterId: string;
  readonly memberId: string;
  readonly version: string;
  readonly clusterVersion?: string;
  readonly leader: string;
  readonly term: number;
  readonly revision: number;
  readonly alarms: readonly AlarmView[];
  readonly members: readonly KnownMember[];
  readonly authEnabled: boolean;
  readonly status: StatusView;
}

export type KnownMember = Omit<MemberView, 'status' | 'error'>;

export interface ClusterSource {
  /** Whether who shows this token may look. Rejects with an EtcdError. */
  permit(token: string | undefined): Promise<void>;
  own(): OwnView;
  /** Asks another member. Rejects within `timeoutMs` if there is no answer. */
  status(clientURLs: readonly string[], token: string | undefined, timeoutMs: number): Promise<StatusView>;
}
