/** Answers as texts: the same from a member's reply and from the reference, so that they can be compared. */
import type {
  CompactionResponse,
  DeleteRangeResponse,
  PutResponse,
  RangeResponse,
  ResponseHeader,
  ResponseOp,
  TxnResponse,
} from '../../../src/gen/rpc.ts';
import { encodedText, versionText, type Version } from './versions.ts';

export interface RangeAnswer {
  readonly kvs: readonly string[];
  readonly count: number;
  readonly more: boolean;
}

export function putText(revision: number, prev: string | undefined): string {
  return `put at ${revision}${prev === undefined ? '' : `, was ${prev}`}`;
}

export function deleteText(revision: number, deleted: number, prev: readonly string[]): string {
  return `deleted ${deleted} at ${revision}${prev.length === 0 ? '' : `, were ${prev.join(' ')}`}`;
}

export function rangeText(revision: number, { kvs, count, more }: RangeAnswer): string {
  return `range at ${revision}: ${kvs.join(' ')} (${kvs.length} of ${count}${more ? ', more' : ''})`;
}

export function txnText(revision: number, succeeded: boolean, parts: readonly string[]): string {
  return `txn ${succeeded ? 'then' : 'else'} at ${revision} [${parts.join('; ')}]`;
}

export function revisionOf(response: { header: ResponseHeader | undefined }): number {
  return response.header?.revision ?? 0;
}

export function ofPut(response: PutResponse): string {
  return putText(revisionOf(response), response.prevKv && encodedText(response.prevKv));
}

export function ofDelete(response: DeleteRangeResponse): string {
  return deleteText(revisionOf(response), response.deleted, response.prevKvs.map(encodedText));
}

export function ofRange(response: RangeResponse): string {
  const { kvs, count, more } = response;
  return rangeText(revisionOf(response), { kvs: kvs.map(encodedText), count, more });
}

export function ofTxn(response: TxnResponse): string {
  return txnText(revisionOf(response), response.succeeded, response.responses.map(ofOp));
}

export function ofCompaction(response: CompactionResponse): string {
  return `compacted at ${revisionOf(response)}`;
}

function ofOp({ responsePut, responseDeleteRange, responseRange, responseTxn }: ResponseOp): string {
  if (responsePut !== undefined) return ofPut(responsePut);
  if (responseDeleteRange !== undefined) return ofDelete(responseDeleteRange);
  if (responseRange !== undefined) return ofRange(responseRange);
  return responseTxn === undefined ? 'nothing' : ofTxn(responseTxn);
}

export interface RangeShape {
  readonly limit: number;
  readonly keysOnly: boolean;
  readonly countOnly: boolean;
}

/** The answer to a range that found `all`. */
export function answerRange(all: readonly Version[], { limit, keysOnly, countOnly }: RangeShape): RangeAnswer {
  if (countOnly) return { kvs: [], count: all.length, more: false };
  const more = limit > 0 && all.length > limit;
  const shown = more ? all.slice(0, limit) : all;
  return { kvs: shown.map((version) => versionText(version, keysOnly)), count: all.length, more };
}
