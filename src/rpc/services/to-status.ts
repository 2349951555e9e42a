import { AssertionError } from '../../base/assert.ts';
import { WireError } from '../../base/wire.ts';
import { Code, EtcdError } from '../../base/etcd-error.ts';

/** What a stream ends with when its handler threw. */
export function toStatus(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  if (error instanceof WireError) {
    return new EtcdError(Code.Internal, `grpc: error unmarshalling request: ${error.message}`);
  }
  return new EtcdError(Code.Internal, error instanceof AssertionError ? 'internal error' : String(error));
}
