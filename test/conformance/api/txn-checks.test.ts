import { expect, it } from 'vitest';
import type { Bytes, Compare, RequestOp, TxnRequest } from '../../support/api-messages.ts';
import { type ErrorName, expectError } from '../../support/expect-error.ts';
import { describeTargets } from '../../support/target.ts';
import { OPEN_END, under } from '../../support/values.ts';

const put = (key: Bytes, more: object = {}): RequestOp => ({ request_put: { key, value: 'v', ...more } });
const range = (key: Bytes, more: object = {}): RequestOp => ({ request_range: { key, ...more } });
const del = (key: Bytes, range_end?: Bytes): RequestOp => ({
  request_delete_range: range_end === undefined ? { key } : { key, range_end },
});
const txn = (request: TxnRequest): RequestOp => ({ request_txn: request });
const puts = (prefix: string, count: number): RequestOp[] =>
  Array.from({ length: count }, (_, i) => put(`${prefix}${i}`));

describeTargets('txn checks', (target) => {
  /** Expects the txn to be refused with `error` and to have changed nothing. */
  async function refused(request: TxnRequest, error: ErrorName): Promise<void> {
    const { client } = target();
    const before = (await client.range({ key: 'x' })).header.revision;
    await expectError(client.txn(request), error);
    expect((await client.range({ key: 'x' })).header.revision).toBe(before);
  }

  async function accepted(request: TxnRequest): Promise<void> {
    expect((await target().client.txn(request)).header.revision).toBeGreaterThan(1n);
  }

  it('allows 128 operations in each list, and refuses 129', async () => {
    const key = target().prefix();
    const compares = (count: number): Compare[] =>
      Array.from({ length: count }, (_, i) => ({ key: `${key}c${i}`, target: 'VERSION', version: 0 }));
    await accepted({ compare: compares(128), success: puts(key, 128), failure: puts(key, 128) });
    await refused({ compare: compares(129) }, 'TooManyOps');
    await refused({ success: puts(key, 129) }, 'TooManyOps');
    await refused({ failure: puts(key, 129) }, 'TooManyOps');
  });

  it('gives a nested txn the budget that its parent left', async () => {
    const key = target().prefix();
    // The parent's longest list is 28, so that 100 are left.
    const parent = (nested: number): TxnRequest => ({
      success: [...puts(`${key}p`, 27), txn({ success: puts(`${key}n`, nested) })],
    });
    await accepted(parent(100));
    await refused(parent(101), 'TooManyOps');
    const twoLevels = (inner: number): TxnRequest => ({
      success: [txn({ success: [txn({ success: puts(key, inner) })] })],
    });
    await accepted(twoLevels(126));
    await refused(twoLevels(127), 'TooManyOps');
  });

  it('reports too many operations before anything else', async () => {
    await refused({ compare: [{ key: '' }], success: puts('x', 129) }, 'TooManyOps');
  });

  it('refuses an empty key anywhere', async () => {
    const key = target().prefix();
    await refused({ compare: [{ key: '', target: 'VERSION', version: 0 }] }, 'EmptyKey');
    await refused({ success: [put('')] }, 'EmptyKey');
    await refused({ failure: [range('')] }, 'EmptyKey');
    await refused({ failure: [del('')] }, 'EmptyKey');
    await refused({ success: [put(key), txn({ success: [put('')] })] }, 'EmptyKey');
    await refused({ success: [txn({ compare: [{ key: '' }] })] }, 'EmptyKey');
  });

  it('refuses an operation without content as a key that is not found', async () => {
    await refused({ success: [{}] }, 'KeyNotFound');
    await refused({ failure: [{}] }, 'KeyNotFound');
    await refused({ success: [txn({ failure: [{}] })] }, 'KeyNotFound');
  });

  it('checks each operation as its own RPC would, also in the branch that is not taken', async () => {
    const key = target().prefix();
    await refused({ failure: [put(key, { ignore_value: true })] }, 'ValueProvided');
    await refused({ success: [put(key, { lease: 5, ignore_lease: true })] }, 'LeaseProvided');
    if (target().atLeast('3.6')) {
      await refused({ failure: [range(key, { sort_order: 17 })] }, 'InvalidSortOption');
    }
  });

  it('refuses two puts of one key in a branch, but not across the branches', async () => {
    const key = target().prefix();
    await refused({ success: [put(key), put(key)] }, 'DuplicateKey');
    await refused({ failure: [put(key), put(`${key}2`), put(key)] }, 'DuplicateKey');
    await accepted({ success: [put(key)], failure: [put(key)] });
  });

  it('refuses a put whose key a delete of the branch covers, in either order', async () => {
    const key = target().prefix();
    await refused({ success: [put(key), del(key)] }, 'DuplicateKey');
    await refused({ success: [del(key), put(key)] }, 'DuplicateKey');
    await refused({ success: [del(`${key}a`, `${key}c`), put(`${key}b`)] }, 'DuplicateKey');
    await refused({ success: [put(`${key}a`), del(`${key}a`, `${key}c`)] }, 'DuplicateKey');
    await accepted({ success: [del(`${key}a`, `${key}c`), put(`${key}c`)] });
    await accepted({ success: [del(`${key}a`, `${key}c`)], failure: [put(`${key}b`)] });
  });

  it('allows deletes that overlap, and ranges over anything', async () => {
    const key = target().prefix();
    await accepted({ success: [del(`${key}a`, `${key}c`), del(`${key}b`, `${key}d`), del(`${key}b`)] });
    const whole = under(key);
    await accepted({ success: [range(key, whole), put(`${key}a`), range(key, whole), range(`${key}a`)] });
  });

  it('does not see that a delete from a key upward covers a put above it', async () => {
    const key = target().prefix();
    await accepted({ success: [put(`~${key}b`), del(`~${key}a`, OPEN_END)] });
  });

  it('refuses a nested put of a key that the parent or a sibling puts', async () => {
    const key = target().prefix();
    const child = txn({ success: [put(key)] });
    await refused({ success: [put(key), child] }, 'DuplicateKey');
    await refused({ success: [child, put(key)] }, 'DuplicateKey');
    await refused({ success: [child, child] }, 'DuplicateKey');
    await refused({ success: [txn({ failure: [put(key)] }), child] }, 'DuplicateKey');
    await refused({ success: [put(key), txn({ success: [txn({ failure: [put(key)] })] })] }, 'DuplicateKey');
    await refused({ success: [txn({ success: [put(key), put(key)] })] }, 'DuplicateKey');
    await accepted({ success: [child], failure: [child, put(`${key}2`)] });
  });

  it('allows the two branches of a nested txn to put the same key', async () => {
    const key = target().prefix();
    await accepted({ success: [txn({ success: [put(key)], failure: [put(key)] }), put(`${key}2`)] });
  });

  it("checks a nested put against this level's deletes and earlier siblings' deletes", async () => {
    const key = target().prefix();
    const child = txn({ success: [put(key)] });
    const deleting = txn({ success: [del(key)] });
    await refused({ success: [del(key), child] }, 'DuplicateKey');
    await refused({ success: [child, del(key)] }, 'DuplicateKey');
    await refused({ success: [deleting, child] }, 'DuplicateKey');
    await refused({ success: [put(key), deleting] }, 'DuplicateKey');
    await refused({ success: [deleting, put(key)] }, 'DuplicateKey');
    await accepted({ success: [child, deleting] });
  });

  it('refuses a lease that does not exist before writing anything', async () => {
    const key = target().prefix();
    await refused({ success: [put(`${key}1`), put(`${key}2`, { lease: 0x7e57 })] }, 'LeaseNotFound');
    await refused(
      { success: [put(`${key}1`), txn({ success: [put(`${key}2`, { lease: 0x7e57 })] })] },
      'LeaseNotFound',
    );
    await accepted({ success: [put(`${key}1`)], failure: [put(`${key}2`, { lease: 0x7e57 })] });
  });

  it('refuses ignore_value and ignore_lease of an absent key before writing anything', async () => {
    const key = target().prefix();
    const ignoring = { request_put: { key: `${key}2`, ignore_value: true } };
    await refused({ success: [put(`${key}1`), ignoring] }, 'KeyNotFound');
    await refused({ success: [put(`${key}1`), put(`${key}2`, { ignore_lease: true })] }, 'KeyNotFound');
    await accepted({ success: [put(`${key}1`)], failure: [ignoring] });
  });

  it('refuses ignore_value of a key that the txn itself deletes first, before writing anything', async (context) => {
    const { client, kind } = target();
    if (kind === 'etcd') {
      const reason = 'it ends the process of etcd 3.5';
      console.info(`skipped: ${context.task.name}: ${reason}`);
      context.skip(reason);
    }
    const key = `${target().prefix()}k`;
    await client.put({ key });
    // Such a pair is not seen as a duplicate, because of its open end.
    const deleting = del(key, OPEN_END);
    for (const ignore of [{ ignore_value: true }, { ignore_lease: true }]) {
      await refused({ success: [deleting, put(key, { value: '', ...ignore })] }, 'KeyNotFound');
      await refused(
        { success: [txn({ success: [deleting] }), put(`${key}2`, { value: '', ...ignore })] },
        'KeyNotFound',
      );
    }
    await accepted({ success: [put(key, { value: '', ignore_value: true }), deleting] });
    expect((await client.range({ key })).count).toBe(0n);
  });

  it('reports the first error of the chosen path; up to 3.5 puts are looked at before ranges', async () => {
    const key = target().prefix();
    const inOrder = target().atLeast('3.6');
    const future = range(key, { revision: 2n ** 40n });
    const lost = put(key, { lease: 0x7e57 });
    await refused({ success: [future, lost] }, inOrder ? 'FutureRev' : 'LeaseNotFound');
    await refused({ success: [lost, future] }, 'LeaseNotFound');
    await refused({ success: [future, txn({ success: [lost] })] }, inOrder ? 'FutureRev' : 'LeaseNotFound');
    const keeping = put(key, { ignore_lease: true });
    await refused({ success: [txn({ success: [future] }), keeping] }, inOrder ? 'FutureRev' : 'KeyNotFound');
    await refused({ success: [keeping, txn({ success: [future] })] }, 'KeyNotFound');
    await refused(
      { success: [put(`${key}1`, { ignore_lease: true }), put(`${key}2`, { lease: 0x7e57 })] },
      'KeyNotFound',
    );
    await refused(
      { success: [put(`${key}1`, { lease: 0x7e57 }), put(`${key}2`, { ignore_lease: true })] },
      'LeaseNotFound',
    );
  });

  it('refuses a range at a future or compacted revision before writing anything', async () => {
    const { client } = target();
    const key = target().prefix();
    const { revision } = (await client.put({ key })).header;
    await refused({ success: [put(key), range(key, { revision: revision + 1n })] }, 'FutureRev');
    await refused({ success: [range(key, { revision: revision + 1n })] }, 'FutureRev');
    await client.put({ key });
    await client.compact({ revision: revision + 1n });
    await refused({ success: [put(key), range(key, { revision })] }, 'Compacted');
    await refused({ success: [put(key), range(key, { revision: -1 })] }, 'Compacted');
    await refused({ success: [put(key), txn({ success: [range(key, { revision })] })] }, 'Compacted');
    await accepted({ success: [put(key)], failure: [range(key, { revision })] });
    await accepted({ success: [put(key), range(key, { revision: revision + 1n })] });
  });
});
