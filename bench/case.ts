/** What a case of the benchmark is. */
import type { Cluster } from './servers/cluster.ts';
import type { Server, ServerKind } from './servers/server.ts';
import type { Sizes } from './sizes.ts';
import type { Better } from './statistics.ts';

export type Unit = '/s' | 'ms' | 'MB' | 'µs';

/** One figure of one round on one server. */
export interface Measurement {
  /** The same in every round and on both servers; unique within its case. */
  readonly name: string;
  readonly unit: Unit;
  readonly better: Better;
  readonly value: number;
  /** The figure that stands for the case in the chart. */
  readonly headline?: boolean;
}

export interface StartServer {
  /** Below the case's folder; another name is another, empty data directory. */
  readonly dataDir?: string;
  /** Watches the event loop, where there is one. */
  readonly probe?: boolean;
}

/** What a case runs with: one round on one server. */
export interface CaseContext {
  readonly kind: ServerKind;
  readonly sizes: Sizes;
  /** For files of the case; empty at first, removed afterwards. */
  readonly dir: string;
  /** Whatever still runs when the case has ended is ended. */
  start(options?: StartServer): Promise<Server>;
  /** The same for several members that form a cluster, as many as the benchmark was told. */
  startCluster(): Promise<Cluster>;
  /** Where start() puts a data directory of this name. */
  dataDir(name?: string): string;
}

export interface BenchCase {
  readonly name: string;
  readonly title: string;
  /** Rejects when the server answered wrongly or not at all: there is no figure then. */
  run(context: CaseContext): Promise<readonly Measurement[]>;
}
