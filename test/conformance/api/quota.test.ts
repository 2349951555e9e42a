import { expect, it } from 'vitest';
import { errorOf, expectError } from '../../support/expect-error.ts';
import { RpcError } from '../../support/raw-client.ts';
import { describeTargets } from '../../support/target.ts';
import { under } from '../../support/values.ts';

const QUOTA = 1_000_000;

describeTargets(
  'quota',
  (target) => {
    it('is shown by Status', async (context) => {
      target().requires(context, '3.6', 'dbSizeQuota');
      expect((await target().client.status()).dbSizeQuota).toBe(BigInt(QUOTA));
    });

    it('raises NOSPACE when it is used up; compaction, defragmentation and disarming make room again', async () => {
      const { client, memberId: memberID } = target();
      const prefix = target().prefix();
      const value = 'x'.repeat(20_000);
      let written = 0;
      let refusal: unknown;
      while (refusal === undefined && written < 200) {
        await client.put({ key: `${prefix}${written % 10}`, value }).then(
          () => written++,
          (error: unknown) => {
            refusal = error;
          },
        );
      }
      expect(refusal).toBeInstanceOf(RpcError);
      expect({ code: (refusal as RpcError).code, message: (refusal as RpcError).message }).toEqual(errorOf('NoSpace'));
      expect(written).toBeGreaterThan(10);
      expect((await client.alarm({})).alarms).toEqual([{ memberID, alarm: 'NOSPACE' }]);
      await expectError(client.put({ key: `${prefix}small` }), 'NoSpace');
      await expectError(client.leaseGrant({ TTL: 10 }), 'NoSpace');
      // The refusal for want of space comes before any other.
      await expectError(client.put({ key: '' }), 'NoSpace');
      await expectError(client.txn({ success: [{ request_put: { key: '' } }] }), 'NoSpace');
      await expectError(client.range({ key: '' }), 'EmptyKey');

      await client.deleteRange(under(prefix));
      const { revision } = (await client.range({ key: prefix })).header;
      await client.compact({ revision, physical: true });
      await client.defragment();
      expect((await client.status()).dbSize).toBeLessThan(BigInt(QUOTA));
      await expectError(client.put({ key: prefix }), 'NoSpace');
      await client.alarm({ action: 'DEACTIVATE', memberID, alarm: 'NOSPACE' });
      await client.put({ key: prefix, value: 'room' });
      expect((await client.range({ key: prefix })).count).toBe(1n);
    });
  },
  { flags: [`--quota-backend-bytes=${QUOTA}`] },
);
