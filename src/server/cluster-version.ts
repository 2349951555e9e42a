/** On the leader: keeps the version of the cluster where its members and a wanted downgrade say (etcd-behaviour §9.5). */
import { minorOf, minorRelease, nextClusterVersion } from '../membership/versions.ts';
import type { ServerCore } from './core.ts';
import { setDowngrade } from './downgrade.ts';

/** As etcd. */
const PERIOD_MS = 4000;

export class ClusterVersionKeeper {
  readonly #core: ServerCore;
  /** Between two looks whether a downgrade is done; 0: never. */
  readonly #downgradeCheckMs: number;
  readonly #cancels = new Set<() => void>();
  #deciding = false;

  constructor(core: ServerCore, downgradeCheckMs: number) {
    this.#core = core;
    this.#downgradeCheckMs = downgradeCheckMs;
  }

  start(): void {
    this.#every(PERIOD_MS, () => this.decide());
    if (this.#downgradeCheckMs > 0) this.#every(this.#downgradeCheckMs, () => this.#endDowngrade());
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  /** Sets the version now if it has to change. */
  async decide(): Promise<void> {
    const { node, cluster, logger } = this.#core.parts;
    if (!node.isLeader || this.#deciding) return;
    this.#deciding = true;
    // What the members say now must not be set by a later leader, after what that one has set.
    const { term } = node;
    try {
      const versions = await this.#memberVersions();
      const current = cluster.version;
      const ver = nextClusterVersion(current, lowestOf(versions), cluster.downgrade);
      if (ver === undefined || !node.isLeader) return;
      const request = { ver };
      await this.#core.proposeInternal({ clusterVersionSet: request }, { kind: 'clusterVersionSet', request }, term);
      logger.info('updated cluster version', { from: current, to: ver });
    } catch (error) {
      logger.warn('failed to update the cluster version', { error: String(error) });
    } finally {
      this.#deciding = false;
    }
  }

  /** All members have the version that the cluster was to go back to. */
  async #endDowngrade(): Promise<void> {
    const { node, cluster, logger } = this.#core.parts;
    const { isEnabled, targetVersion } = cluster.downgrade;
    if (!node.isLeader || !isEnabled) return;
    const versions = await this.#memberVersions();
    if (!versions.every((version) => version !== undefined && minorRelease(version) === targetVersion)) return;
    try {
      await setDowngrade(this.#core, { enabled: false, ver: '' });
      logger.info('the cluster has been downgraded', { 'cluster-version': targetVersion });
    } catch (error) {
      logger.warn('failed to end the downgrade', { error: String(error) });
    }
  }

  #every(periodMs: number, act: () => Promise<void>): void {
    const cancel = this.#core.parts.clock.after(periodMs, () => {
      this.#cancels.delete(cancel);
      this.#every(periodMs, act);
      void act();
    });
    this.#cancels.add(cancel);
  }

  /** Of every member; undefined where one does not answer. */
  async #memberVersions(): Promise<(string | undefined)[]> {
    const { cluster, memberId, calls, serverVersion } = this.#core.parts;
    const others = cluster.members().filter(({ id }) => id !== memberId);
    const answers = others.map(({ peerURLs }) =>
      calls.versions(peerURLs).then(
        ({ server }) => server,
        () => undefined,
      ),
    );
    return [serverVersion, ...(await Promise.all(answers))];
  }
}

/** undefined unless all are known. */
function lowestOf(versions: readonly (string | undefined)[]): string | undefined {
  return versions.reduce((lowest, version) => {
    if (lowest === undefined || version === undefined) return undefined;
    return minorOf(version) < minorOf(lowest) ? version : lowest;
  });
}
