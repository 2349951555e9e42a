import { SeededRandom } from '../../../src/base/random.ts';
import { RawClient, RpcError } from '../../support/raw-client.ts';
import type { Change } from '../../support/history-model.ts';

/** One write that was sent. Deletions name the keys that they may remove; values are unique. */
export interface Write {
  readonly id: number;
  readonly kind: 'put' | 'txn' | 'delete';
  /** In the order of execution. */
  readonly changes: readonly Change[];
  /** Of the acknowledgement; undefined while none has come. */
  revision: bigint | undefined;
  /** For an acknowledged write: whether it changed anything. */
  effective: boolean;
}

export interface Granted {
  readonly id: bigint;
}

/** What a round of load sent, and what came back before the server died. */
export interface LoadResult {
  readonly writes: Write[];
  readonly leases: Granted[];
  /** Revisions whose compaction was acknowledged. */
  readonly compactions: number[];
}

const KEYS = 24;
const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value));

/** Writers that go on until the server stops answering. */
export class Load {
  readonly #random: SeededRandom;
  readonly #result: LoadResult = { writes: [], leases: [], compactions: [] };
  readonly #checkedRevision: number;
  #nextId: number;
  #stopped = false;

  /** `checkedRevision`: up to here the history has been checked and may be compacted. */
  constructor(seed: number, firstId: number, checkedRevision: number) {
    this.#random = new SeededRandom(seed);
    this.#nextId = firstId;
    this.#checkedRevision = checkedRevision;
  }

  get acknowledged(): number {
    return this.#result.writes.filter((write) => write.revision !== undefined).length;
  }

  /** Runs `writers` at once; resolves when all of them have met a dead server, or after stop(). */
  async run(endpoint: string, writers: number): Promise<LoadResult> {
    const client = new RawClient(endpoint);
    try {
      await Promise.all(Array.from({ length: writers }, () => this.#writer(client)));
    } finally {
      client.close();
    }
    return this.#result;
  }

  stop(): void {
    this.#stopped = true;
  }

  async #writer(client: RawClient): Promise<void> {
    while (!this.#stopped) {
      try {
        await this.#writeOnce(client);
      } catch (error) {
        // Anything but a lost connection is an answer that the load must not get.
        if (error instanceof RpcError && (error.code === 14 || error.code === 1 || error.code === 13)) return;
        throw error;
      }
    }
  }

  async #writeOnce(client: RawClient): Promise<void> {
    const kind = this.#random.below(100);
    if (kind < 55) await this.#put(client);
    else if (kind < 80) await this.#txn(client);
    else if (kind < 95) await this.#delete(client);
    else if (kind < 98) this.#result.leases.push({ id: (await client.leaseGrant({ TTL: 100_000 })).ID });
    else await this.#compact(client);
  }

  #key(): string {
    return `k${this.#random.below(KEYS)}`;
  }

  #begin(kind: Write['kind'], changes: Change[]): Write {
    const write: Write = { id: this.#nextId++, kind, changes, revision: undefined, effective: false };
    this.#result.writes.push(write);
    return write;
  }

  #newPut(key: string): Change {
    const padding = 'x'.repeat(this.#random.below(this.#random.below(20) === 0 ? 3_000 : 100));
    return { put: key, value: text(`${this.#nextId}:${key}:${padding}`) };
  }

  async #put(client: RawClient): Promise<void> {
    const change = this.#newPut(this.#key());
    const write = this.#begin('put', [change]);
    if (!('put' in change)) return;
    const { header } = await client.put({ key: change.put, value: change.value });
    write.revision = header.revision;
    write.effective = true;
  }

  async #txn(client: RawClient): Promise<void> {
    const keys = new Set(Array.from({ length: 2 + this.#random.below(4) }, () => this.#key()));
    const changes = [...keys].map((key): Change => (this.#random.below(4) === 0 ? { delete: key } : this.#newPut(key)));
    const write = this.#begin('txn', changes);
    const success = changes.map((change) =>
      'put' in change
        ? { request_put: { key: change.put, value: change.value } }
        : { request_delete_range: { key: change.delete } },
    );
    const { header, responses } = await client.txn({ success });
    write.effective = responses.some(
      (response) => response.response_put || (response.response_delete_range?.deleted ?? 0n) > 0n,
    );
    write.revision = header.revision;
  }

  async #delete(client: RawClient): Promise<void> {
    const key = this.#key();
    const write = this.#begin('delete', [{ delete: key }]);
    const { header, deleted } = await client.deleteRange({ key });
    write.effective = deleted > 0n;
    write.revision = header.revision;
  }

  async #compact(client: RawClient): Promise<void> {
    const revision = this.#checkedRevision - this.#random.below(300);
    if (revision <= 1) return;
    try {
      await client.compact({ revision, physical: this.#random.below(2) === 0 });
      this.#result.compactions.push(revision);
    } catch (error) {
      // Another writer was there before, or the round before.
      if (!(error instanceof RpcError && error.code === 11)) throw error;
    }
  }
}
