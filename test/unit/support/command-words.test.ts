import { expect, it } from 'vitest';
import { commandWords } from '../../../scripts/cluster/command-words.ts';

it('takes a command with spaces between its words', () => {
  expect(commandWords(' node  dist/quorate.mjs ')).toEqual(['node', 'dist/quorate.mjs']);
  expect(commandWords('')).toEqual([]);
  expect(commandWords()).toEqual([]);
});

it('takes a JSON array, whose words may hold spaces', () => {
  expect(commandWords(JSON.stringify(['/my folder/node', '--flag', 'a b']))).toEqual([
    '/my folder/node',
    '--flag',
    'a b',
  ]);
});
