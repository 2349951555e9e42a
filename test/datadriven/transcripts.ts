import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';

const REWRITE = process.env['REWRITE'] === '1';

/** What the commands of a story work on. */
interface Script {
  /** Carries out a command; what it prints. */
  run(line: string): string;
}

/**
 * Each .txt file of `folder` is a story: blocks of commands, a line `----`, and what they print. REWRITE=1 takes the output of
 * now as expected, to be reviewed as a diff.
 */
export function describeTranscripts(folder: string, filesMin: number, newScript: () => Script): void {
  describe('transcripts', () => {
    const files = readdirSync(folder).filter((name) => name.endsWith('.txt'));

    test('there are some', () => {
      expect(files.length).toBeGreaterThanOrEqual(filesMin);
    });

    test.each(files)('%s', (name) => {
      const path = join(folder, name);
      const expected = readFileSync(path, 'utf8');
      const actual = replay(newScript(), expected);
      if (REWRITE) writeFileSync(path, actual);
      expect(actual).toBe(REWRITE ? actual : expected);
    });
  });
}

/** Runs all blocks of `text` and returns it with the output of now. */
function replay(script: Script, text: string): string {
  const blocks = text.trimEnd().split(/\n{2,}/);
  const replayed = blocks.map((block) => {
    const commands = block.split('\n----')[0] as string;
    const lines = commands.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'));
    if (lines.length === 0) return commands;
    return `${commands}\n----\n${lines.map((line) => script.run(line)).join('\n')}`;
  });
  return `${replayed.join('\n\n')}\n`;
}
