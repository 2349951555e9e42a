/** Which machines there are, which of them belong to the cluster, and how a member is configured when it starts. */
import { parseCommandLine } from '../../../src/config/command-line.ts';
import type { ServerConfig } from '../../../src/config/server-config.ts';
import type { Applied } from '../model/reference-member.ts';
import type { MembershipChange, ReferenceCluster } from '../model/reference-cluster.ts';
import type { Knobs } from '../plan.ts';
import { require } from './violation.ts';

/** Beyond those that the cluster begins with. */
const NEW_MACHINES_MAX = 5;

interface Change {
  readonly change: MembershipChange;
  readonly index: number;
}

export class Roster {
  readonly #knobs: Knobs;
  readonly #cluster: ReferenceCluster;
  readonly #makeMachine: (name: string) => void;
  readonly #asked: MembershipChange[] = [];
  readonly #changes: Change[] = [];
  #machines: number;

  constructor(knobs: Knobs, cluster: ReferenceCluster, makeMachine: (name: string) => void) {
    this.#knobs = knobs;
    this.#cluster = cluster;
    this.#makeMachine = makeMachine;
    this.#machines = knobs.members;
  }

  founders(): string[] {
    return Array.from({ length: this.#knobs.members }, (_, at) => `m${at + 1}`);
  }

  isFounder(name: string): boolean {
    return Number(name.slice(1)) <= this.#knobs.members;
  }

  /** Returns its name; undefined when there are enough. */
  newMachine(): string | undefined {
    if (this.#machines >= this.#knobs.members + NEW_MACHINES_MAX) return undefined;
    const name = `m${++this.#machines}`;
    this.#makeMachine(name);
    return name;
  }

  /** Nobody listens there: addresses are names. */
  urlOf(name: string): string {
    return `http://${name}.sim:2380`;
  }

  /** The same machine under another port. */
  otherUrlOf(url: string): string {
    return url.endsWith('0') ? url.replace(/\d$/, '1') : url.replace(/\d$/, '0');
  }

  nameAt(url: string): string {
    return /\/\/(\w+)\./.exec(url)?.[1] ?? '';
  }

  /** A client is about to ask for it. */
  asked(change: MembershipChange): void {
    this.#asked.push(change);
  }

  /** Of the log. Nobody changes the members who was not asked to. */
  applied({ change, index }: Applied): void {
    if (change === undefined) return;
    if (index > this.#knobs.members) {
      const isAsked = this.#asked.some(({ kind, id, peerURLs }) => {
        return (
          kind === change.kind && (kind === 'add' || id === change.id) && peerURLs.join() === change.peerURLs.join()
        );
      });
      require(isAsked, 'invented', () => `nobody asked for ${change.kind} of member ${change.id.toString(16)}`);
    }
    this.#changes.push({ change, index });
  }

  changes(kind: MembershipChange['kind']): Change[] {
    return this.#changes.filter(({ change }) => change.kind === kind);
  }

  /** Whether the machine is one of the cluster's. */
  isMember(name: string): boolean {
    return this.#cluster.members.some(({ peerURLs }) => peerURLs.some((url) => this.nameAt(url) === name));
  }

  /** Whether it was one of the cluster's, and is not any more. */
  isRemoved(name: string): boolean {
    if (this.isMember(name)) return false;
    return this.#changes.some(({ change: { peerURLs } }) => peerURLs.some((url) => this.nameAt(url) === name));
  }

  /** As an operator would write it now. */
  configOf(name: string): ServerConfig {
    const knobs = this.#knobs;
    const isFounder = this.isFounder(name);
    const urls = isFounder
      ? this.founders().map((founder) => [founder, this.urlOf(founder)] as const)
      : this.#cluster.members.flatMap(({ peerURLs }) => peerURLs.map((url) => [this.nameAt(url), url] as const));
    const ownUrl = urls.find(([owner]) => owner === name)?.[1] ?? this.urlOf(name);
    const parsed = parseCommandLine(
      [
        `--name=${name}`,
        '--data-dir=/data',
        `--initial-advertise-peer-urls=${ownUrl}`,
        `--initial-cluster=${urls.map(([owner, url]) => `${owner}=${url}`).join(',')}`,
        `--initial-cluster-state=${isFounder ? 'new' : 'existing'}`,
        '--listen-peer-urls=http://10.0.0.1:2380',
        '--listen-client-urls=http://10.0.0.1:2379',
        '--advertise-client-urls=http://10.0.0.1:2379',
        `--heartbeat-interval=${knobs.heartbeatMs}`,
        `--election-timeout=${knobs.electionMs}`,
        `--snapshot-count=${knobs.snapshotCount}`,
        `--max-wals=${knobs.walFilesMax}`,
        `--backend-batch-interval=${knobs.batchIntervalMs}ms`,
        `--max-request-bytes=${knobs.requestBytesMax}`,
        `--quota-backend-bytes=${knobs.quotaBytes === 0 ? -1 : knobs.quotaBytes}`,
        `--strict-reconfig-check=${knobs.strictReconfig ?? false}`,
        // No simulated fault changes data: an alarm would be a mistake, and refuse every write from then on.
        '--feature-gates=InitialCorruptCheck=true,CompactHashCheck=true',
        '--corrupt-check-time=3s',
        '--compact-hash-check-time=2s',
      ],
      {},
      () => '',
    );
    if (parsed.kind !== 'run') throw new Error(`the simulator's configuration is refused: ${JSON.stringify(parsed)}`);
    return {
      ...parsed.config,
      watchProgressNotifyMs: knobs.progressMs,
      snapshotCatchupEntries: knobs.catchupEntries,
      leaseCheckpointMs: knobs.leaseCheckpointMs ?? 0,
    };
  }
}
