/** The grpc-timeout header: up to 8 digits and a unit. */

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

/** Why parseGrpcTimeout() takes no `text`, in the words of etcd's gRPC library; undefined: it does. */
export function timeoutFault(text: string): string | undefined {
  if (parseGrpcTimeout(text) !== undefined) return undefined;
  const shown = JSON.stringify(text);
  if (text.length < 2) return `transport: timeout string is too short: ${shown}`;
  if (text.length > DIGITS_MAX + 1) return `transport: timeout string is too long: ${shown}`;
  const digits = text.slice(0, -1);
  if (UNIT_MS[text.slice(-1)] === undefined) return `transport: timeout unit is not recognized: ${shown}`;
  return `strconv.ParseUint: parsing ${JSON.stringify(digits)}: invalid syntax`;
}
