import { expect, test } from 'vitest';
import { indexOfToken, simpleToken, SimpleTokens } from '../../../src/auth/simple-tokens.ts';

const TTL_MS = 1000;

function tokensUpTo(tokensMax: number): SimpleTokens {
  return new SimpleTokens({ ttlMs: TTL_MS, tokensMax });
}

test('a token carries the number of the entry before its own', () => {
  expect(simpleToken('abc', 31)).toBe('abc.30');
  expect(indexOfToken('abc.30')).toBe(31);
});

test.each(['', 'abc', 'abc.', 'abc.x', 'abc.-1', 'abc.1.2', 'abc.99999999999999999999', 'abc.1 '])(
  '%j is no token',
  (text) => expect(indexOfToken(text)).toBeUndefined(),
);

test('a token lives on by being used', () => {
  const tokens = tokensUpTo(10);
  tokens.assign('a.1', 'u', 0);
  expect(tokens.use('a.1', 900)).toBe('u');
  expect(tokens.use('a.1', 1800)).toBe('u');
  expect(tokens.use('a.1', 2800)).toBeUndefined();
  expect(tokens.use('a.1', 2800)).toBeUndefined();
});

test('what has ended takes no memory for longer than until the next login', () => {
  const tokens = tokensUpTo(10);
  for (let i = 0; i < 5; i++) tokens.assign(`a.${i}`, 'u', i);
  tokens.use('a.0', 500);
  tokens.assign('a.9', 'u', 1200);
  expect(tokens.size).toBe(2);
});

test('the ones unused for longest make room', () => {
  const tokens = tokensUpTo(2);
  tokens.assign('a.1', 'u', 0);
  tokens.assign('a.2', 'u', 1);
  tokens.use('a.1', 2);
  tokens.assign('a.3', 'u', 3);
  expect(['a.1', 'a.2', 'a.3'].map((token) => tokens.use(token, 4))).toEqual(['u', undefined, 'u']);
});

test('end with their user, or all together', () => {
  const tokens = tokensUpTo(10);
  tokens.assign('a.1', 'u', 0);
  tokens.assign('a.2', 'v', 0);
  tokens.invalidateUser('u');
  expect(tokens.use('a.1', 1)).toBeUndefined();
  expect(tokens.use('a.2', 1)).toBe('v');
  tokens.clear();
  expect(tokens.use('a.2', 1)).toBeUndefined();
});
