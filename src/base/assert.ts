/**
 * Assertions stay on in production: a state that cannot be is a bug, and going on from it could lose a write.
 */

/** Thrown when an invariant does not hold. The process is expected to end. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws AssertionError with `message` and the numbers that show why, unless `condition` holds. */
export function assert(condition: boolean, message: string, numbers?: Record<string, unknown>): asserts condition {
  if (!condition) throw new AssertionError(numbers === undefined ? message : `${message} ${describe(numbers)}`);
}

/** For the branch that no value can reach. */
export function unreachable(message: string, value?: unknown): never {
  throw new AssertionError(`unreachable: ${message} ${String(value)}`);
}

/** Unwraps a value that an invariant says is there. */
export function must<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new AssertionError(`missing: ${message}`);
  return value;
}

function describe(numbers: Record<string, unknown>): string {
  return Object.entries(numbers)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(' ');
}
