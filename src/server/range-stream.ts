/** RangeStream: a range in chunks at one revision, so that a long answer is never whole in memory. */
import { authorizeRange } from '../apply/authorize.ts';
import { validateRange } from '../apply/validate.ts';
import { Code, EtcdError } from '../base/etcd-error.ts';
import type { RangeRequest, RangeResponseInit } from '../gen/rpc.ts';
import type { Caller } from './caller.ts';
import type { ServerCore } from './core.ts';

const CHUNK_KEYS_FIRST = 10;

/**
 * The messages of one RangeStream call, in order. Only the last has a header, `more` and `count`. The revision is fixed by
 * the first chunk; compacting it meanwhile fails the stream. The size of the chunks follows that of their bytes.
 */
export async function* rangeStream(
  core: ServerCore,
  caller: Caller,
  request: RangeRequest,
): AsyncGenerator<RangeResponseInit> {
  validateRange(request);
  refuseUnsupported(request);
  if (!request.serializable) await core.linearizable();
  const { store, jobs, limits, authenticator } = core.parts;
  const who = await authenticator.permit(caller, (auth, user) => authorizeRange(auth, user, request));
  const stream = store.rangeStream(request);
  let chunkKeys = CHUNK_KEYS_FIRST;
  for (;;) {
    const { kvs, last, count, more, revision } = await jobs.run(stream.next(chunkKeys));
    if (last) {
      authenticator.checkFresh(who);
      yield { kvs, header: core.header(revision), count, more };
      return;
    }
    yield { kvs };
    const bytes = kvs.reduce((sum, kv) => sum + kv.length, 0);
    if (bytes < limits.requestBytesMax / 2) chunkKeys *= 2;
    else if (bytes > limits.requestBytesMax * 2) chunkKeys = Math.max(1, Math.floor(chunkKeys / 2));
  }
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
