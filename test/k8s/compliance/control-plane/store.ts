/** The etcd of a control plane: one member or several, of either kind, with client certificates, as kubeadm sets it up. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Authority } from '../../../support/certificates.ts';
import { freePort } from '../../../support/free-port.ts';
import { startQuorate } from '../../../support/quorate-process.ts';
import { startEtcd } from '../../../support/real-etcd.ts';
import type { ServerKind, ServerProcess } from '../../../support/server-process.ts';

const READY_TIMEOUT_MS = 120_000;

export class Store {
  readonly kind: ServerKind;
  readonly #members: readonly ServerProcess[];
  #killing: Promise<void> = Promise.resolve();
  #stopped = false;
  #kills = 0;

  static async start(kind: ServerKind, count: number, authority: Authority): Promise<Store> {
    const { certFile, keyFile } = await authority.issue(`${kind}-store`);
    const peers: string[] = [];
    for (let i = 0; i < count; i++) peers.push(`http://127.0.0.1:${await freePort()}`);
    const initialCluster = peers.map((url, i) => `m${i}=${url}`).join(',');
    const common = [
      `--cert-file=${certFile}`,
      `--key-file=${keyFile}`,
      `--trusted-ca-file=${authority.caFile}`,
      '--client-cert-auth',
      '--experimental-watch-progress-notify-interval=5s',
      '--snapshot-count=10000',
    ];
    const members = await Promise.all(
      peers.map((url, i) => {
        const peerFlags = [
          `--listen-peer-urls=${url}`,
          `--initial-advertise-peer-urls=${url}`,
          `--initial-cluster=${initialCluster}`,
        ];
        const options = {
          name: `m${i}`,
          flags: [...common, ...(count > 1 ? peerFlags : [])],
          isSecure: true,
          readyTimeoutMs: READY_TIMEOUT_MS,
        };
        return kind === 'etcd' ? startEtcd(options) : startQuorate(options);
      }),
    );
    return new Store(kind, members);
  }

  private constructor(kind: ServerKind, members: readonly ServerProcess[]) {
    this.kind = kind;
    this.#members = members;
  }

  get urls(): string {
    return this.#members.map(({ clientUrl }) => clientUrl).join(',');
  }

  /** How often a member was killed. */
  get kills(): number {
    return this.#kills;
  }

  /** From now on one member after the other is killed as by a crash, and started again at once. */
  beginKilling(everyMs: number): void {
    this.#killing = this.#kill(everyMs);
  }

  async endKilling(): Promise<void> {
    this.#stopped = true;
    await this.#killing;
  }

  async stop(): Promise<void> {
    await this.endKilling();
    await Promise.all(this.#members.map((member) => member.stop()));
  }

  async #kill(everyMs: number): Promise<void> {
    for (let i = 0; !this.#stopped; i++) {
      const nextMs = performance.now() + everyMs;
      while (!this.#stopped && performance.now() < nextMs) await sleep(100);
      if (this.#stopped) return;
      const member = this.#members[i % this.#members.length];
      await member?.kill();
      this.#kills++;
      await member?.restart();
    }
  }
}
