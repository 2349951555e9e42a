import type { JsonMessage, JsonValue, Operation } from './operation.ts';

/** True when the operations, on fresh servers, still show a difference. */
export type Fails = (operations: readonly Operation[]) => Promise<boolean>;

/**
 * A short sequence that still fails: whole operations are left out in ever smaller groups, then the parts of those that are
 * left. Stops at `deadline` (Date.now() time) with the best so far.
 */
export async function shrink(
  operations: readonly Operation[],
  fails: Fails,
  deadline: number,
): Promise<readonly Operation[]> {
  const fewer = await leaveOutGroups(operations, fails, deadline);
  return leaveOutParts(fewer, fails, deadline);
}

async function leaveOutGroups(
  all: readonly Operation[],
  fails: Fails,
  deadline: number,
): Promise<readonly Operation[]> {
  let operations = all;
  let size = Math.ceil(operations.length / 2);
  while (size >= 1 && Date.now() < deadline) {
    let reduced = false;
    // From the back: what a failure needs tends to be just before it.
    for (let end = operations.length; end > 0 && Date.now() < deadline; end -= size) {
      const candidate = [...operations.slice(0, Math.max(0, end - size)), ...operations.slice(end)];
      if (candidate.length === 0 || !(await fails(candidate))) continue;
      operations = candidate;
      reduced = true;
    }
    if (size === 1 && !reduced) break;
    size = reduced ? Math.min(size, Math.ceil(operations.length / 2)) : Math.floor(size / 2);
    if (operations.length === 1) break;
  }
  return operations;
}

async function leaveOutParts(all: readonly Operation[], fails: Fails, deadline: number): Promise<readonly Operation[]> {
  let operations = all;
  for (let i = 0; i < operations.length; i++) {
    let again = true;
    while (again && Date.now() < deadline) {
      again = false;
      for (const simpler of simplerOperations(operations[i])) {
        const candidate = operations.with(i, simpler);
        if (Date.now() >= deadline || !(await fails(candidate))) continue;
        operations = candidate;
        again = true;
        break;
      }
    }
  }
  return operations;
}

function* simplerOperations(operation: Operation | undefined): Iterable<Operation> {
  if (!operation || !('request' in operation)) return;
  for (const request of simplerMessages(operation.request)) yield { ...operation, request };
}

function* simplerMessages(message: JsonMessage): Iterable<JsonMessage> {
  for (const [name, value] of Object.entries(message)) {
    if (value === undefined) continue;
    if (name !== 'key') yield { ...message, [name]: undefined };
    for (const simpler of simplerValues(value)) yield { ...message, [name]: simpler };
  }
}

function* simplerValues(value: JsonValue): Iterable<JsonValue> {
  if (Array.isArray(value)) {
    const list = value as readonly JsonValue[];
    for (const [i, item] of list.entries()) {
      yield list.toSpliced(i, 1);
      for (const simpler of simplerValues(item)) yield list.with(i, simpler);
    }
    return;
  }
  if (typeof value === 'string' && value.length > 1) yield value.slice(0, 1);
  if (typeof value !== 'object' || value === null) return;
  if ('current' in value || 'compacted' in value) return;
  yield* simplerMessages(value as JsonMessage);
}
