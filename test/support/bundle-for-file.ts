import { afterAll, beforeAll } from 'vitest';
import { withBundle } from './quorate-process.ts';

/** All tests of the calling file start quorate from a bundle of the present sources. */
export function withBundleForFile(): void {
  let end = (): void => {};
  let ended: Promise<void> = Promise.resolve();
  beforeAll(async () => {
    await new Promise<void>((resolve, reject) => {
      const lasting = new Promise<void>((over) => {
        end = over;
      });
      ended = withBundle(() => {
        resolve();
        return lasting;
      });
      ended.catch(reject);
    });
  });
  afterAll(async () => {
    end();
    await ended;
  });
}
