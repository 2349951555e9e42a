/** --bootstrap-defrag-threshold-megabytes: before anything is served, the database gives back what it does not use. */
import type { Backend } from '../mvcc/backend.ts';
import type { Logger } from '../ports/logger.ts';

const MEGABYTE_BYTES = 1024 ** 2;

/** Rewrites the file where that frees so much; 0: never. Rejects where it fails: the file is as it was then. */
export async function defragAtStart(backend: Backend, thresholdMegabytes: number, logger: Logger): Promise<void> {
  if (thresholdMegabytes === 0) return;
  const before = backend.sizeBytes();
  const fields = {
    'size-before': before,
    'in-use': backend.sizeInUseBytes(),
    'threshold-megabytes': thresholdMegabytes,
  };
  if (before - backend.sizeInUseBytes() < thresholdMegabytes * MEGABYTE_BYTES) {
    logger.info('skipped defragmenting at the start: it would free less than the threshold', fields);
    return;
  }
  await new Promise<void>((resolve, reject) => {
    backend.defragment((error) => (error === undefined ? resolve() : reject(error)));
  });
  logger.info('finished defragmenting at the start', { ...fields, 'size-after': backend.sizeBytes() });
}
