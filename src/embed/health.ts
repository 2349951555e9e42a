/** What the health endpoints learn of the server. */
import { rangeOf } from '../apply/range-of.ts';
import { EMPTY } from '../base/bytes.ts';
import { AlarmType } from '../gen/rpc.ts';
import type { HealthSource } from '../http/health-source.ts';
import { SELF } from '../server/caller.ts';
import type { ServerCore } from '../server/core.ts';
import type { KvApi } from '../server/kv-api.ts';

const PROBE_KEY = new Uint8Array([0x00]);

export class ServerHealth implements HealthSource {
  readonly #core: ServerCore;
  readonly #kv: KvApi;

  constructor(core: ServerCore, kv: KvApi) {
    this.#core = core;
    this.#kv = kv;
  }

  alarms(): readonly string[] {
    const names = Object.entries(AlarmType);
    return this.#core.parts.alarms
      .list(AlarmType.NONE)
      .map(({ alarm }) => names.find(([, value]) => value === alarm)?.[0] ?? 'UNKNOWN');
  }

  hasLeader(): boolean {
    return this.#core.parts.node.leader !== 0n;
  }

  isLearner(): boolean {
    const { cluster, memberId } = this.#core.parts;
    return cluster.member(memberId)?.isLearner ?? false;
  }

  serializableRead(): Promise<unknown> {
    return this.#read(true);
  }

  linearizableRead(): Promise<unknown> {
    return this.#read(false);
  }

  async #read(serializable: boolean): Promise<unknown> {
    return this.#kv.range(SELF, { ...rangeOf(PROBE_KEY, EMPTY), limit: 1, serializable, keysOnly: true });
  }
}
