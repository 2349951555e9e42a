import { expect, it } from 'vitest';
import { describeTargets } from '../../support/target.ts';

describeTargets(
  'auto compaction',
  (target) => {
    it('in periodic mode compacts what is older than the retention', { timeout: 20_000 }, async () => {
      const { client } = target();
      const old = (await client.put({ key: 'k', value: '0' })).header.revision;
      const compacted = async (): Promise<boolean> => {
        await client.put({ key: 'k', value: 'x' });
        return client.range({ key: 'k', revision: old }).then(
          () => false,
          () => true,
        );
      };
      expect(await compacted()).toBe(false);
      await expect.poll(compacted, { timeout: 10_000, interval: 100 }).toBe(true);
      // What is younger than the retention stays readable.
      const { revision } = (await client.put({ key: 'k', value: 'y' })).header;
      expect((await client.range({ key: 'k', revision: revision - 1n })).count).toBe(1n);
    });
  },
  { flags: ['--auto-compaction-mode=periodic', '--auto-compaction-retention=1s'] },
);
