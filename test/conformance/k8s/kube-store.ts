import type { Bytes, Int, KeyValue, RangeResponse, TxnResponse, WatchResponse } from '../../support/api-messages.ts';
import type { RawClient } from '../../support/raw-client.ts';
import { bytes, prefixEnd } from '../../support/values.ts';
import type { WatchStream } from '../../support/watch-helpers.ts';

/** The requests of a kube-apiserver's storage layer, in the shapes it sends them. */
export class KubeStore {
  readonly #client: RawClient;

  constructor(client: RawClient) {
    this.#client = client;
  }

  /** GET of one object, at a revision or the newest. */
  async get(key: string, revision: Int = 0): Promise<{ kv: KeyValue | undefined; revision: bigint }> {
    const { kvs, header } = await this.#client.range({ key, limit: 1, revision });
    return { kv: kvs[0], revision: header.revision };
  }

  /** Succeeds only when the key does not exist; there is no failure branch. */
  create(key: string, value: Bytes, lease: Int = 0): Promise<TxnResponse> {
    return this.#client.txn({
      compare: [{ target: 'MOD', result: 'EQUAL', key, mod_revision: 0 }],
      success: [{ request_put: { key, value, lease } }],
    });
  }

  /** Succeeds only when the object is still at `expected`; otherwise answers with what is there. */
  update(key: string, expected: Int, value: Bytes, lease: Int = 0): Promise<TxnResponse> {
    return this.#client.txn({
      compare: [{ target: 'MOD', result: 'EQUAL', key, mod_revision: expected }],
      success: [{ request_put: { key, value, lease } }],
      failure: [{ request_range: { key } }],
    });
  }

  delete(key: string, expected: Int): Promise<TxnResponse> {
    return this.#client.txn({
      compare: [{ target: 'MOD', result: 'EQUAL', key, mod_revision: expected }],
      success: [{ request_delete_range: { key } }],
      failure: [{ request_range: { key } }],
    });
  }

  /** One page: from `from` (the prefix, or the continue key) to the prefix's end, at `revision` or the newest. */
  page(prefix: string, limit: number, from: Bytes = prefix, revision: Int = 0): Promise<RangeResponse> {
    return this.#client.range({ key: from, range_end: prefixEnd(prefix), limit, revision });
  }

  /** The whole list in pages, all at the first page's revision; `between` runs after each page. */
  async list(
    prefix: string,
    limit: number,
    between?: () => Promise<void>,
  ): Promise<{ kvs: KeyValue[]; revision: bigint }> {
    let page = await this.page(prefix, limit);
    const { revision } = page.header;
    const kvs = [...page.kvs];
    while (page.count > page.kvs.length) {
      const last = page.kvs.at(-1);
      if (!last) throw new Error('a page says that there is more, and holds nothing');
      await between?.();
      page = await this.page(prefix, limit, continueAfter(last.key), revision);
      kvs.push(...page.kvs);
    }
    return { kvs, revision };
  }

  async count(prefix: string): Promise<bigint> {
    return (await this.#client.range({ key: prefix, range_end: prefixEnd(prefix), count_only: true })).count;
  }

  keysOnly(prefix: string): Promise<RangeResponse> {
    return this.#client.range({ key: prefix, range_end: prefixEnd(prefix), keys_only: true });
  }

  /** From just after `revision`, as a watch cache does. */
  async watch(prefix: string, revision: bigint): Promise<WatchStream> {
    const stream = this.#client.watch({ metadata: { hasleader: 'true' } });
    stream.send({
      create_request: {
        key: prefix,
        range_end: prefixEnd(prefix),
        start_revision: revision + 1n,
        prev_kv: true,
        progress_notify: true,
      },
    });
    const created = await stream.next();
    if (!created.created || created.canceled) throw new Error('the watch was not created');
    return stream;
  }
}

export function continueAfter(key: Uint8Array): Uint8Array {
  return bytes(Buffer.concat([key, Uint8Array.of(0)]));
}

/** How Kubernetes tells a progress notice from other responses. */
export function isProgressNotify(response: WatchResponse): boolean {
  return (
    response.events.length === 0 &&
    !response.canceled &&
    !response.created &&
    response.compact_revision === 0n &&
    response.header.revision !== 0n
  );
}
