import type { StreamCall } from '../transport.ts';

/** Resolves when the client has taken most of what was sent, or is gone. */
export function drained(call: StreamCall): Promise<void> {
  return new Promise((resolve) => {
    call.onDrain(resolve);
    call.ctx.onCancel(resolve);
  });
}
