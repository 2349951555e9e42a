/** What GET /ui/api/cluster answers, as JSON: the one thing that the server and the dashboard have to agree on. */

/** Ids are hexadecimal, without leading zeros, as members print them; no member: 0. */
export interface ClusterView {
  readonly clusterId: string;
  /** The member that serves the dashboard. */
  readonly memberId: string;
  /** The release of etcd that it behaves like. */
  readonly version: string;
  /** Of the cluster; undefined until it has decided. */
  readonly clusterVersion?: string;
  readonly leader: string;
  readonly term: number;
  readonly revision: number;
  readonly alarms: readonly AlarmView[];
  readonly members: readonly MemberView[];
  /** Whether this address serves the JSON gateway, through which keys are read. */
  readonly gateway: boolean;
  /** Whether users have to log in. */
  readonly authEnabled: boolean;
}

export interface AlarmView {
  readonly memberId: string;
  /** Like NOSPACE. */
  readonly alarm: string;
}

export interface MemberView {
  readonly id: string;
  /** Empty until the member has started. */
  readonly name: string;
  readonly isLearner: boolean;
  readonly clientURLs: readonly string[];
  readonly peerURLs: readonly string[];
  /** How long the serving member has heard from it without a break; undefined: it does not, or it is the same. */
  readonly connectedMs?: number;
  /** Between the two; undefined where not known. */
  readonly roundTripMs?: number;
  /** What the member itself says; undefined if it could not be asked. */
  readonly status?: StatusView;
  /** Why it could not. */
  readonly error?: string;
}

export interface StatusView {
  readonly version: string;
  readonly leader: string;
  readonly term: number;
  readonly raftIndex: number;
  readonly appliedIndex: number;
  readonly dbSizeBytes: number;
  readonly dbInUseBytes: number;
  /** 0: no quota, or the member does not say. */
  readonly quotaBytes: number;
  readonly errors: readonly string[];
}

/** With another status than 200. */
export interface ClusterFailure {
  readonly error: string;
  readonly gateway: boolean;
}
