import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { variableOf } from '../../../src/config/environment.ts';
import { flagsDoc } from '../../../src/config/flags-doc.ts';
import type { OptionType } from '../../../src/config/option-spec.ts';
import { valueFromText } from '../../../src/config/option-value.ts';
import { findOption, OPTION_GROUPS, optionNames } from '../../../src/config/options.ts';
import { config, parse } from './run.ts';

const REPO = join(import.meta.dirname, '../../..');
const SPECS = OPTION_GROUPS.flatMap(({ options }) => options);

/** What the type of a value in the table stands for at run time. */
const HAS_TYPE: Record<OptionType, (value: unknown) => boolean> = {
  string: (value) => typeof value === 'string',
  ignored: (value) => typeof value === 'string',
  bool: (value) => typeof value === 'boolean',
  int: Number.isSafeInteger,
  uint: Number.isSafeInteger,
  uint32: Number.isSafeInteger,
  duration: Number.isFinite,
  urls: (value) => Array.isArray(value) && value.every((url: { text?: unknown }) => typeof url.text === 'string'),
  origins: (value) => Array.isArray(value),
  list: (value) => Array.isArray(value) && value.every((item) => typeof item === 'string'),
};

describe('the option table', () => {
  test('has every name once', () => {
    const names = SPECS.flatMap((spec) => [spec.name, ...(spec.former ?? [])]);
    expect(new Set(names).size).toBe(names.length);
    expect(names.length).toBe(Array.from(optionNames()).length);
    expect(names.length).toBeGreaterThan(150);
  });

  test('has distinct variables', () => {
    const variables = Array.from(optionNames(), ([name]) => variableOf(name));
    expect(new Set(variables).size).toBe(variables.length);
  });

  test.each(SPECS.map((spec) => [spec.name, spec] as const))('%s: default and help', (_name, spec) => {
    expect(HAS_TYPE[spec.type](valueFromText(spec, spec.default))).toBe(true);
    expect(spec.choices ?? [spec.default]).toContain(spec.default);
    expect(spec.help).toMatch(/^\S.*[.]$/);
    expect(spec.name).toMatch(/^[a-z][a-z0-9-]*$/);
  });

  test('a default may be spelled out, all of them together', () => {
    const flags = SPECS.filter(({ name }) => name !== 'version').map((spec) => `--${spec.name}=${spec.default}`);
    expect(parse(flags)).toEqual({ kind: 'run', config: config(''), warnings: [] });
  });

  test('former names lead to the current option', () => {
    expect(findOption('experimental-compaction-batch-limit')).toMatchObject({
      name: 'compaction-batch-limit',
      current: false,
    });
    expect(findOption('compaction-batch-limit')).toMatchObject({ name: 'compaction-batch-limit', current: true });
    expect(findOption('nope')).toBeUndefined();
  });
});

describe('docs/flags.md', () => {
  test('names every option', () => {
    const doc = flagsDoc();
    for (const [name] of optionNames()) expect(doc).toContain(`\`${name}\``);
  });

  test('is what the table generates', () => {
    expect(readFileSync(join(REPO, 'docs/flags.md'), 'utf8')).toContain('| `quota-backend-bytes`');
    const { status, stderr } = spawnSync(process.execPath, ['scripts/gen-flags-doc.ts', '--check'], {
      cwd: REPO,
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});
