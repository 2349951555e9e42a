/** etcdserverpb.KV: bytes in, bytes out. */
import {
  decodeCompactionRequest,
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
  encodeCompactionResponse,
  encodeDeleteRangeResponse,
  encodePutResponse,
  encodeRangeStreamResponse,
  encodeTxnResponse,
  type TxnResponseInit,
} from '../../gen/rpc.ts';
import { KVService } from '../../gen/services.ts';
import { isReadOnlyTxn } from '../../apply/txn-kind.ts';
import type { ServerCore } from '../../server/core.ts';
import type { KvApi } from '../../server/kv-api.ts';
import { rangeStream } from '../../server/range-stream.ts';
import { checkTxnSize } from '../message-size.ts';
import type { ServiceRegistry } from '../service-registry.ts';
import { PiecedMessage, type UnaryResponse } from '../transport.ts';
import { drained } from './drained.ts';

/** Pages that the client has not taken; beyond, reading on waits. */
const STREAM_BACKLOG_BYTES = 4 * 1024 * 1024;

export function registerKv(registry: ServiceRegistry, core: ServerCore, kv: KvApi): void {
  const { Range, Put, DeleteRange, Txn, Compact, RangeStream } = KVService.methods;
  const encodeTxn = (response: TxnResponseInit): Uint8Array => encodeTxnResponse(core.withHeader(response));

  registry.unary(
    Range.path,
    (ctx, bytes) => {
      const response = kv.range(ctx, decodeRangeRequest(bytes));
      return response instanceof Promise ? response.then(messageOf) : messageOf(response);
    },
    { isServedByLearner: (bytes) => decodeRangeRequest(bytes).serializable },
  );
  registry.unary(Put.path, async (ctx, bytes) => {
    const response = await kv.put(ctx, decodePutRequest(bytes), bytes);
    return encodePutResponse(core.withHeader(response));
  });
  registry.unary(DeleteRange.path, async (ctx, bytes) => {
    const response = await kv.deleteRange(ctx, decodeDeleteRangeRequest(bytes), bytes);
    return encodeDeleteRangeResponse(core.withHeader(response));
  });
  registry.unary(Txn.path, (ctx, bytes) => {
    checkTxnSize(bytes, core.parts.limits.txnOpsMax);
    const request = decodeTxnRequest(bytes);
    if (!isReadOnlyTxn(request)) return kv.txn(ctx, request, bytes).then(encodeTxn);
    const response = kv.readTxn(ctx, request);
    return response instanceof Promise ? response.then(messageOf) : messageOf(response);
  });
  registry.unary(Compact.path, async (ctx, bytes) => {
    const response = await kv.compact(ctx, decodeCompactionRequest(bytes), bytes);
    return encodeCompactionResponse(core.withHeader(response));
  });
  registry.serverStream(RangeStream.path, async (call, bytes) => {
    for await (const rangeResponse of rangeStream(core, call.ctx, decodeRangeRequest(bytes))) {
      if (call.ctx.cancelled) return;
      call.send(encodeRangeStreamResponse({ rangeResponse }));
      if (call.backlogBytes > STREAM_BACKLOG_BYTES) await drained(call);
    }
    call.end();
  });
}

/** Up to this size the pieces of an answer are joined: one write is cheaper than several. */
const JOINED_BYTES_MAX = 16 * 1024;

function messageOf(pieces: readonly Uint8Array[]): UnaryResponse {
  const [only] = pieces;
  if (only !== undefined && pieces.length === 1) return only;
  const message = new PiecedMessage(pieces);
  return message.length <= JOINED_BYTES_MAX ? Buffer.concat(pieces) : message;
}
