import { AssertionError } from '../base/assert.ts';
import { WireError } from '../base/wire.ts';
import { Code, EtcdError } from '../base/etcd-error.ts';

/** What a call ends with when its handler threw. What is no EtcdError and no malformed request is a bug. */
export function statusOf(error: unknown): EtcdError {
  if (error instanceof EtcdError) return error;
  if (error instanceof WireError) {
    return new EtcdError(Code.Internal, `grpc: error unmarshalling request: ${error.message}`);
  }
  return new EtcdError(Code.Internal, error instanceof AssertionError ? 'internal error' : String(error));
}
