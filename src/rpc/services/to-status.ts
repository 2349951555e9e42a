import { AssertionError } from '../../base/assert.ts';
import { Code, EtcdError } from '../../base/etcd-error.ts';

/** What a stream ends with when its handler threw. */
export function toStatus(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  return new EtcdError(Code.Internal, error instanceof AssertionError ? 'internal error' : String(error));
}
