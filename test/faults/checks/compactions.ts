/** What was compacted is gone for everybody who asks later, and nothing else is. */
import type { History } from '../history.ts';
import { hold, shown } from './violation.ts';

/** Returns the number of reads of the past that were looked at. */
export function checkCompactions({ operations, compactions }: History): number {
  let reads = 0;
  for (const operation of operations) {
    const { request, answer, error, callMs } = operation;
    if (request.kind !== 'range' || request.revision === undefined) continue;
    const { revision, serializable = false } = request;
    reads++;
    if (answer !== undefined && !serializable) {
      const before = compactions.find((one) => one.revision > revision && one.returnMs < callMs);
      hold(before === undefined, 'compacted, and answered', () => `${shown(operation)} after ${shown(before)}`);
    }
    if (error?.includes('has been compacted') === true) {
      const isAsked = compactions.some((one) => one.revision > revision);
      hold(isAsked, 'compacted without being asked', () => shown(operation));
    }
  }
  return reads;
}
