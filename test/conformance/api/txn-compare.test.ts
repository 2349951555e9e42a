import { expect, it } from 'vitest';
import type { Compare, CompareResult } from '../../support/api-messages.ts';
import { describeTargets } from '../../support/target.ts';
import { OPEN_END, under } from '../../support/values.ts';

describeTargets('txn compares', (target) => {
  async function holds(...compare: Compare[]): Promise<boolean> {
    const txn = await target().client.txn({ compare });
    expect(txn.responses).toEqual([]);
    return txn.succeeded;
  }

  /** For each operator, whether the stored number compares so with one that is lower, equal and higher. */
  const operators: Record<CompareResult, [boolean, boolean, boolean]> = {
    EQUAL: [false, true, false],
    NOT_EQUAL: [true, false, true],
    GREATER: [true, false, false],
    LESS: [false, false, true],
  };

  it('is true without compares', async () => {
    expect(await holds()).toBe(true);
  });

  it('compares every target with every operator', async () => {
    const { client } = target();
    const key = target().prefix();
    const { ID } = await client.leaseGrant({ TTL: 60, ID: 1000 + (Date.now() % 1000) });
    const created = (await client.put({ key, value: 'm' })).header.revision;
    await client.put({ key, value: 'm' });
    const modified = (await client.put({ key, value: 'm', lease: ID })).header.revision;
    const at = (result: CompareResult, delta: -1 | 0 | 1): Compare[] => {
      const d = BigInt(delta);
      return [
        { key, result, target: 'VERSION', version: 3n + d },
        { key, result, target: 'CREATE', create_revision: created + d },
        { key, result, target: 'MOD', mod_revision: modified + d },
        { key, result, target: 'LEASE', lease: ID + d },
        { key, result, target: 'VALUE', value: delta < 0 ? 'lz' : delta > 0 ? 'ma' : 'm' },
      ];
    };
    for (const [result, expected] of Object.entries(operators) as [CompareResult, [boolean, boolean, boolean]][]) {
      for (const delta of [-1, 0, 1] as const) {
        for (const compare of at(result, delta)) {
          const outcome = { result, target: compare.target, delta, holds: await holds(compare) };
          expect(outcome).toEqual({ ...outcome, holds: expected[delta + 1] });
        }
      }
    }
  });

  it('compares values as bytes', async () => {
    const key = target().prefix();
    await target().client.put({ key, value: Uint8Array.of(0x80) });
    expect(await holds({ key, target: 'VALUE', result: 'GREATER', value: Uint8Array.of(0x7f, 0xff) })).toBe(true);
    expect(await holds({ key, target: 'VALUE', result: 'LESS', value: Uint8Array.of(0x80, 0x00) })).toBe(true);
    expect(await holds({ key, target: 'VALUE', result: 'GREATER', value: '' })).toBe(true);
  });

  it('takes a missing key as version, revisions and lease 0', async () => {
    const key = `${target().prefix()}missing`;
    expect(await holds({ key, target: 'VERSION', version: 0 })).toBe(true);
    expect(await holds({ key, target: 'CREATE', create_revision: 0 })).toBe(true);
    expect(await holds({ key, target: 'MOD', mod_revision: 0 })).toBe(true);
    expect(await holds({ key, target: 'LEASE', lease: 0 })).toBe(true);
    expect(await holds({ key, target: 'MOD', result: 'LESS', mod_revision: 1 })).toBe(true);
    expect(await holds({ key, target: 'VERSION', result: 'GREATER', version: 0 })).toBe(false);
    expect(await holds({ key, target: 'VERSION', result: 'NOT_EQUAL', version: 0 })).toBe(false);
    expect(await holds({ key, target: 'CREATE', result: 'GREATER', create_revision: -1 })).toBe(true);
  });

  it('never finds a value comparison true on a missing key', async () => {
    const key = `${target().prefix()}missing`;
    for (const result of Object.keys(operators) as CompareResult[]) {
      expect(await holds({ key, target: 'VALUE', result, value: '' })).toBe(false);
      expect(await holds({ key, target: 'VALUE', result, value: 'x' })).toBe(false);
    }
  });

  it('takes a deleted key as missing', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key });
    await client.deleteRange({ key });
    expect(await holds({ key, target: 'MOD', mod_revision: 0 })).toBe(true);
  });

  it('compares with zero or no bytes when no value to compare with is given', async () => {
    const { client } = target();
    const key = target().prefix();
    expect(await holds({ key, target: 'MOD' })).toBe(true);
    await client.put({ key, value: 'v' });
    expect(await holds({ key, target: 'VERSION', result: 'GREATER' })).toBe(true);
    expect(await holds({ key, target: 'LEASE' })).toBe(true);
    expect(await holds({ key, target: 'VALUE' })).toBe(false);
    expect(await holds({ key, target: 'VALUE', result: 'GREATER' })).toBe(true);
    // The union holds a version here, but the target asks for a mod_revision: there is none.
    expect(await holds({ key, target: 'MOD', result: 'GREATER', version: 2n ** 40n })).toBe(true);
  });

  it('finds an unknown operator true', async () => {
    const key = target().prefix();
    await target().client.put({ key, value: 'v' });
    expect(await holds({ key, target: 'VERSION', result: 9, version: 77 })).toBe(true);
  });

  it('needs every compare to hold', async () => {
    const { client } = target();
    const key = target().prefix();
    await client.put({ key, value: 'v' });
    const yes: Compare = { key, target: 'VERSION', version: 1 };
    const no: Compare = { key, target: 'VERSION', version: 2 };
    expect(await holds(yes, yes)).toBe(true);
    expect(await holds(yes, no)).toBe(false);
    expect(await holds(no, yes)).toBe(false);
  });

  it('with a range needs every key in it to hold', async () => {
    const { client } = target();
    const prefix = target().prefix();
    for (const name of ['a', 'b', 'c']) await client.put({ key: prefix + name, value: 'v' });
    const all = { ...under(prefix), target: 'VERSION', version: 1 } as const;
    expect(await holds(all)).toBe(true);
    expect(await holds({ ...under(prefix), target: 'VALUE', value: 'v' })).toBe(true);
    await client.put({ key: `${prefix}b`, value: 'w' });
    expect(await holds(all)).toBe(false);
    expect(await holds({ ...under(prefix), target: 'VALUE', value: 'v' })).toBe(false);
    expect(await holds({ ...all, result: 'LESS', version: 3 })).toBe(true);
    expect(await holds({ key: `${prefix}c`, range_end: `${prefix}d`, target: 'VERSION', version: 1 })).toBe(true);
    expect(await holds({ key: `${prefix}a`, range_end: OPEN_END, target: 'VERSION', result: 'GREATER' })).toBe(true);
  });

  it('takes an empty range as one missing key', async () => {
    const prefix = target().prefix();
    expect(await holds({ ...under(prefix), target: 'VERSION', version: 0 })).toBe(true);
    expect(await holds({ ...under(prefix), target: 'VERSION', result: 'GREATER', version: 0 })).toBe(false);
    expect(await holds({ ...under(prefix), target: 'VALUE', value: '' })).toBe(false);
    expect(await holds({ key: `${prefix}b`, range_end: `${prefix}a`, target: 'MOD', mod_revision: 0 })).toBe(true);
  });
});
