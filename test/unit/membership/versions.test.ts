import { describe, expect, test } from 'vitest';
import {
  canJoin,
  minorRelease,
  nextClusterVersion,
  NO_DOWNGRADE,
  parseTarget,
  storageVersionOf,
  storedStorageVersion,
  tooOldFor,
} from '../../../src/membership/versions.ts';

const to = (targetVersion: string) => ({ isEnabled: true, targetVersion });

test('a target is X.Y or X.Y.Z', () => {
  expect(['3.5', '3.5.7', '3.05.0', '10.0'].map(parseTarget)).toEqual(['3.5.0', '3.5.0', '3.5.0', '10.0.0']);
  expect(['', 'x', '3', '3.', '3.5.', '3.5.x', 'v3.5', '3.5.0.1', '-3.5', '3.5.0-rc.1'].map(parseTarget)).toEqual(
    Array(10).fill(undefined),
  );
});

test('what a member runs may be a release to come', () => {
  expect(['3.6.12', '3.7.0-rc.1', '3.7.0+git', 'banana', ''].map(minorRelease)).toEqual([
    '3.6.0',
    '3.7.0',
    '3.7.0',
    undefined,
    undefined,
  ]);
});

describe('the next version of the cluster', () => {
  test.each([
    [undefined, undefined, NO_DOWNGRADE, '3.0.0'],
    [undefined, '3.5.30', NO_DOWNGRADE, '3.5.0'],
    ['3.0.0', '3.6.1', NO_DOWNGRADE, '3.6.0'],
    ['3.0.0', undefined, NO_DOWNGRADE, undefined],
    ['3.6.0', '3.6.1', NO_DOWNGRADE, undefined],
    ['3.6.0', '3.5.1', NO_DOWNGRADE, undefined],
    ['3.6.0', '3.6.1', to('3.5.0'), '3.5.0'],
    ['3.5.0', '3.6.1', to('3.5.0'), undefined],
    ['3.5.0', '3.5.1', to('3.5.0'), undefined],
    ['3.6.0', '3.7.1', to('3.5.0'), undefined],
    ['3.6.0', '3.6.1', to('3.4.0'), undefined],
    ['3.6.0', undefined, to('3.5.0'), undefined],
    ['3.6.0', '3.6.1', to('nonsense'), undefined],
  ])('of one at %s whose members have at least %s, with %o: %s', (current, lowest, downgrade, next) => {
    expect(nextClusterVersion(current, lowest, downgrade)).toBe(next);
  });
});

test.each<[string, (string | undefined)[], boolean, boolean]>([
  ['a cluster of its own version', ['3.6.0', '3.6.0'], false, true],
  ['one of an earlier version', ['3.5.0', '3.0.0'], false, true],
  ['one where somebody does not answer', [undefined, '3.6.0'], false, true],
  ['one where nobody answers', [undefined], false, false],
  ['one of a later version', ['3.7.0', '3.6.0'], false, false],
  ['one from before the protocol', ['2.3.0'], false, false],
  ['one that is about to come down to its version', ['3.7.0'], true, true],
  ['one that is about to go below its version', ['3.6.0'], true, false],
])('a member joins %s or not', (_, versions, isDowngradeEnabled, may) => {
  expect(canJoin(versions, '3.6.12', isDowngradeEnabled)).toBe(may);
});

test('a member below the version of the cluster has to go', () => {
  expect(tooOldFor(undefined, '3.6.12')).toBeUndefined();
  expect(tooOldFor('3.6.0', '3.6.12')).toBeUndefined();
  expect(tooOldFor('3.5.0', '3.6.12')).toBeUndefined();
  expect(tooOldFor('3.7.0', '3.6.12')).toBe(
    'invalid downgrade; server version is lower than determined cluster version: 3.6.12 < 3.7',
  );
});

test('the schema follows the cluster; up to 3.5 the database does not say', () => {
  const versions = [undefined, '3.0.0', '3.5.0', '3.6.0'];
  expect(versions.map(storageVersionOf)).toEqual([undefined, undefined, '3.5.0', '3.6.0']);
  expect(versions.map(storedStorageVersion)).toEqual([undefined, undefined, undefined, '3.6.0']);
});
