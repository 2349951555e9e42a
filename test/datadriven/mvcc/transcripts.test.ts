import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Script } from './script.ts';

/**
 * Each .txt file is a story: blocks of commands, a line `----`, and what they print. REWRITE=1 takes the output of now as
 * expected, to be reviewed as a diff.
 */
const FOLDER = import.meta.dirname;
const REWRITE = process.env['REWRITE'] === '1';

/** Runs all blocks of `text` and returns it with the output of now. */
function replay(text: string): string {
  const script = new Script();
  const blocks = text.trimEnd().split(/\n{2,}/);
  const replayed = blocks.map((block) => {
    const commands = block.split('\n----')[0] as string;
    const lines = commands.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
    if (lines.length === 0) return commands;
    return `${commands}\n----\n${lines.map((line) => script.run(line)).join('\n')}`;
  });
  return `${replayed.join('\n\n')}\n`;
}

describe('transcripts', () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith('.txt'));

  test('there are some', () => {
    expect(files.length).toBeGreaterThan(5);
  });

  test.each(files)('%s', (name) => {
    const path = join(FOLDER, name);
    const expected = readFileSync(path, 'utf8');
    const actual = replay(expected);
    if (REWRITE) writeFileSync(path, actual);
    expect(actual).toBe(REWRITE ? actual : expected);
  });
});
