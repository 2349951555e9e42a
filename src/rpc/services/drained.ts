import { Code, EtcdError } from '../../base/etcd-error.ts';
import type { Clock } from '../../ports/clock.ts';
import type { StreamCall } from '../transport.ts';

/** Resolves when the client has taken most of what was sent, or is gone. */
export function drained(call: StreamCall): Promise<void> {
  return new Promise((resolve) => {
    call.onDrain(resolve);
    call.ctx.onCancel(resolve);
  });
}

/** As drained; rejects when the client has taken next to nothing for so long: what it holds up is wanted by others. */
export function drainedWithin(call: StreamCall, clock: Clock, ms: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(ms, () => reject(new EtcdError(Code.DeadlineExceeded, 'the client reads too slowly')));
    void drained(call).then(() => {
      cancel();
      resolve();
    });
  });
}
