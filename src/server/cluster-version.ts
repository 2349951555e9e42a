/** On the leader: keeps the version of the cluster at the lowest minor version of its members (etcd-behaviour §9.5). */
import type { ServerCore } from './core.ts';

/** As etcd. */
const PERIOD_MS = 4000;
/** What a cluster has as long as not all members have answered. */
const INITIAL_VERSION = '3.0.0';

export class ClusterVersionKeeper {
  readonly #core: ServerCore;
  readonly #serverVersion: string;
  #cancel: (() => void) | undefined;
  #deciding = false;

  constructor(core: ServerCore, serverVersion: string) {
    this.#core = core;
    this.#serverVersion = serverVersion;
  }

  start(): void {
    this.#cancel = this.#core.parts.clock.after(PERIOD_MS, () => {
      this.start();
      void this.decide();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  /** Sets the version now if it has to change. It only goes up. */
  async decide(): Promise<void> {
    const { node, cluster, logger } = this.#core.parts;
    if (!node.isLeader || this.#deciding) return;
    this.#deciding = true;
    try {
      const lowest = await this.#lowestVersion();
      const current = cluster.version;
      const ver = lowest ?? (current === undefined ? INITIAL_VERSION : undefined);
      if (ver === undefined || !node.isLeader) return;
      if (current !== undefined && minorOf(ver) <= minorOf(current)) return;
      const request = { ver };
      await this.#core.proposeInternal({ clusterVersionSet: request }, { kind: 'clusterVersionSet', request });
      logger.info('updated cluster version', { from: current, to: ver });
    } catch (error) {
      logger.warn('failed to update the cluster version', { error: String(error) });
    } finally {
      this.#deciding = false;
    }
  }

  /** `X.Y.0`; undefined while a member does not answer. */
  async #lowestVersion(): Promise<string | undefined> {
    const { cluster, memberId, calls } = this.#core.parts;
    const others = cluster.members().filter(({ id }) => id !== memberId);
    const answers = await Promise.all(
      others.map(({ peerURLs }) =>
        calls.versions(peerURLs).then(
          ({ server }) => server,
          () => undefined,
        ),
      ),
    );
    let lowest = this.#serverVersion;
    for (const version of answers) {
      if (version === undefined || minorOf(version) === 0) return undefined;
      if (minorOf(version) < minorOf(lowest)) lowest = version;
    }
    return `${lowest.split('.').slice(0, 2).join('.')}.0`;
  }
}

/** Major and minor version as one number; 0 for what is no version. */
function minorOf(version: string): number {
  const [, major, minor] = /^(\d{1,4})\.(\d{1,4})\./.exec(version) ?? [];
  return Number(major ?? 0) * 10_000 + Number(minor ?? 0);
}
