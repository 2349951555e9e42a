/** RangeStream: a range in pages at one revision, so that a long answer is never whole in memory. */
import { validateRange } from '../apply/validate.ts';
import { successor } from '../base/bytes.ts';
import { Code, EtcdError } from '../base/etcd-error.ts';
import { decodeKeyValue } from '../gen/mvccpb.ts';
import { encodeRangeResponse, type RangeRequest, type RangeResponseInit } from '../gen/rpc.ts';
import type { ServerCore } from './core.ts';

const PAGE_KEYS_FIRST = 10;

/**
 * The messages of one RangeStream call, in order. Only the last has a header, `more` and `count`. The revision is fixed by
 * the first page; compacting it meanwhile fails the stream. The page size follows the size of the answers.
 */
export async function* rangeStream(core: ServerCore, request: RangeRequest): AsyncGenerator<RangeResponseInit> {
  validateRange(request);
  refuseUnsupported(request);
  if (!request.serializable) await core.linearizable();
  const { store, jobs, limits } = core.parts;
  const limit = request.limit > 0 ? request.limit : Infinity;
  let pageKeys = PAGE_KEYS_FIRST;
  const ask = (from: Uint8Array, revision: number, keys: number): RangeRequest => ({
    ...request,
    key: from,
    revision,
    limit: keys,
  });
  const first = await jobs.run(store.rangeJob(ask(request.key, request.revision, Math.min(pageKeys, limit))));
  const revision = request.revision > 0 ? request.revision : first.revision;
  const header = core.header(first.revision);
  const count = first.count;
  let sent = 0;
  let page = first;
  for (;;) {
    sent += page.kvs.length;
    const last = page.kvs.at(-1);
    if (last === undefined || !page.more || sent >= limit || request.rangeEnd.length === 0) {
      yield { kvs: page.kvs, header, count, more: count > sent && limit !== Infinity };
      return;
    }
    yield { kvs: page.kvs };
    pageKeys = nextPageKeys(pageKeys, encodeRangeResponse({ kvs: page.kvs }).length, limits.requestBytesMax);
    const from = successor(decodeKeyValue(last).key);
    page = await jobs.run(store.rangeJob(ask(from, revision, Math.min(pageKeys, limit - sent))));
  }
}

function nextPageKeys(pageKeys: number, encodedBytes: number, bytesMax: number): number {
  if (encodedBytes < bytesMax / 2) return pageKeys * 2;
  if (encodedBytes > bytesMax * 2) return Math.max(1, Math.floor(pageKeys / 2));
  return pageKeys;
}

function refuseUnsupported(request: RangeRequest): void {
  const hasOrder = request.sortOrder === 2 || request.sortTarget !== 0;
  if (hasOrder) throw new EtcdError(Code.Unimplemented, 'RangeStream does not support custom sort orders');
  const hasFilter =
    request.minModRevision !== 0 ||
    request.maxModRevision !== 0 ||
    request.minCreateRevision !== 0 ||
    request.maxCreateRevision !== 0;
  if (hasFilter) throw new EtcdError(Code.Unimplemented, 'RangeStream does not support revision filters');
}
