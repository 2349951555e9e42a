/** The grpc-timeout header: up to 8 digits and a unit. */

import { Code, EtcdError } from '../base/etcd-error.ts';

const UNIT_MS: Record<string, number> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 };
const DIGITS_MAX = 8;

/** Milliseconds, possibly with a fraction; undefined when `text` is no timeout. */
export function parseGrpcTimeout(text: string): number | undefined {
  const unit = UNIT_MS[text.charAt(text.length - 1)];
  const digits = text.length - 1;
  if (unit === undefined || digits < 1 || digits > DIGITS_MAX) return undefined;
  let value = 0;
  for (let i = 0; i < digits; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
  }
  return value * unit;
}

export function malformedTimeout(text: string): EtcdError {
  return new EtcdError(Code.Internal, `malformed grpc-timeout: ${JSON.stringify(text)}`);
}
