import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { BenchCase } from '../../../bench/case.ts';
import { runCases } from '../../../bench/runner.ts';
import type { ServerKind, ServerSpec } from '../../../bench/servers/server.ts';
import { SIZES } from '../../../bench/sizes.ts';

let workDir: string;
beforeEach(() => {
  workDir = mkdtempSync(join(tmpdir(), 'bench-runner-'));
});
afterEach(() => {
  rmSync(workDir, { recursive: true, force: true });
});

const spec = (kind: ServerKind): ServerSpec => ({
  kind,
  version: '1',
  file: '/bin/sh',
  args: () => ['-c', 'echo no disk >&2; exit 3'],
  env: {},
});

function run(cases: readonly BenchCase[], rounds: number, sizes = SIZES.smoke) {
  const steps: string[] = [];
  const errors: (string | undefined)[] = [];
  const done = runCases({
    cases,
    servers: [spec('quorate'), spec('etcd')],
    sizes,
    rounds,
    members: 1,
    workDir,
    onStep: (what) => steps.push(what),
    onStepDone: (error) => errors.push(error),
  });
  return { done, steps, errors };
}

test('rounds alternate between the servers, each step with an empty folder that is gone afterwards', async () => {
  const found: string[][] = [];
  const one: BenchCase = {
    name: 'one',
    title: 'One',
    run: async ({ dir, kind }) => {
      found.push(readdirSync(dir));
      writeFileSync(join(dir, 'left-behind'), kind);
      return [{ name: 'x', unit: 'ms', better: 'less', value: found.length }];
    },
  };
  const { done, steps, errors } = run([one], 2);
  const [result] = await done;
  expect(steps).toEqual(['one, round 1, quorate', 'one, round 1, etcd', 'one, round 2, quorate', 'one, round 2, etcd']);
  expect(errors).toEqual([undefined, undefined, undefined, undefined]);
  expect(result?.rounds.quorate?.flat().map(({ value }) => value)).toEqual([1, 3]);
  expect(result?.rounds.etcd?.flat().map(({ value }) => value)).toEqual([2, 4]);
  expect(found).toEqual([[], [], [], []]);
  expect(readdirSync(workDir)).toEqual([]);
});

test('a server that does not start fails the step, with what it said, and the other steps run', async () => {
  const starts: BenchCase = {
    name: 'starts',
    title: '',
    run: async (context) => {
      await context.start();
      return [];
    },
  };
  const works: BenchCase = { name: 'works', title: '', run: async () => [] };
  const [first, second] = await run([starts, works], 1).done;
  expect(first?.failures.map(({ server }) => server)).toEqual(['quorate', 'etcd']);
  expect(first?.failures[0]?.error).toMatch(/quorate did not start: .*\nno disk/);
  expect(first?.rounds).toEqual({});
  expect(second?.failures).toEqual([]);
  expect(existsSync(join(workDir, 'starts-quorate'))).toBe(false);
});

test('a case that does not end fails', async () => {
  const hangs: BenchCase = { name: 'hangs', title: '', run: () => new Promise(() => {}) };
  const [result] = await run([hangs], 1, { ...SIZES.smoke, stepTimeoutMs: 20 }).done;
  expect(result?.failures[0]?.error).toBe('not done after 20 ms');
});
