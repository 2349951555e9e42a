/** A process that runs what another one orders, until that one hangs up. */
import { type BatchOrder, runBatch } from './batch.ts';

process.on('message', (order) => {
  void runBatch(order as BatchOrder).then((result) => process.send?.(result));
});
