/**
 * Requests that never become calls although HTTP/2 has nothing against them: answered with an HTTP status besides gRPC's own,
 * in the words of etcd's gRPC library.
 */

import { Code } from '../../base/etcd-error.ts';
import { timeoutFault } from '../grpc-timeout.ts';

export interface Refusal {
  readonly httpStatus: number;
  readonly code: Code;
  readonly message: string;
}

/** What of a request decides. */
export interface RequestFacts {
  readonly method: string | undefined;
  readonly contentType: string | undefined;
  readonly grpcTimeout: string | undefined;
  readonly grpcEncoding: string | undefined;
  /** Names and values by turns. */
  readonly fields: readonly string[];
}

const CONTENT_TYPE = /^application\/grpc(?:$|[+;])/;

export function refusalOf(request: RequestFacts): Refusal | undefined {
  const { method, contentType, grpcTimeout, grpcEncoding, fields } = request;
  if (contentType === undefined || !CONTENT_TYPE.test(contentType)) {
    const message = `invalid gRPC request content-type ${JSON.stringify(contentType ?? '')}`;
    return { httpStatus: 415, code: Code.InvalidArgument, message };
  }
  const timeout = grpcTimeout === undefined ? undefined : timeoutFault(grpcTimeout);
  if (timeout !== undefined) return badRequest(`malformed grpc-timeout: ${timeout}`);
  const binary = binaryFault(fields);
  if (binary !== undefined) return badRequest(binary);
  if (method !== 'POST') {
    const message = `Received a HEADERS frame with :method ${JSON.stringify(method)} which should be POST`;
    return { httpStatus: 405, code: Code.Internal, message };
  }
  if (grpcEncoding === undefined || grpcEncoding === 'identity' || grpcEncoding === 'gzip') return undefined;
  const message = `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(grpcEncoding)}`;
  return { httpStatus: 200, code: Code.Unimplemented, message };
}

function badRequest(message: string): Refusal {
  return { httpStatus: 400, code: Code.Internal, message };
}

/** Metadata whose name ends in -bin must be base64, with padding or without. */
function binaryFault(fields: readonly string[]): string | undefined {
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (!name.endsWith('-bin')) continue;
    const value = fields[i + 1] as string;
    const at = base64FaultAt(value);
    if (at === undefined) continue;
    const header = `${JSON.stringify(value)} in header ${JSON.stringify(name)}`;
    return `malformed binary metadata ${header}: illegal base64 data at input byte ${at}`;
  }
  return undefined;
}

function base64FaultAt(value: string): number | undefined {
  const digits = value.length % 4 === 0 ? value.replace(/={1,2}$/, '') : value;
  const at = digits.search(/[^A-Za-z0-9+/]/);
  if (at !== -1) return at;
  return digits.length % 4 === 1 ? digits.length : undefined;
}
