import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Measurement } from '../../../bench/case.ts';
import { fileSystemOf } from '../../../bench/machine.ts';
import { chooseCases } from '../../../bench/options.ts';
import { chart } from '../../../bench/report/chart.ts';
import { amount, markdown } from '../../../bench/report/markdown.ts';
import { type Results, type Row, rowsOf } from '../../../bench/report/results.ts';
import { writeResults } from '../../../bench/report/write.ts';
import type { CaseRun } from '../../../bench/runner.ts';

const rate = (value: number): Measurement => ({ name: 'rate', unit: '/s', better: 'more', value, headline: true });
const healthy = (value: number): Measurement => ({ name: 'until healthy', unit: 'ms', better: 'less', value });

const PUT: CaseRun = {
  name: 'put-1x1',
  title: 'put, one by one',
  rounds: { quorate: [[rate(100)], [rate(300)], [rate(200)]], etcd: [[rate(400)], [rate(380)], [rate(420)]] },
  failures: [],
};
const RESTART: CaseRun = {
  name: 'restart-100k',
  title: 'restart',
  rounds: { quorate: [[healthy(600)]], etcd: [[healthy(1200)]] },
  failures: [],
};

function results(rows: readonly Row[], failures: readonly string[] = []): Results {
  return {
    date: '2025-03-04T05:06:07.000Z',
    size: 'medium',
    rounds: 3,
    members: 1,
    machine: {
      cpuModel: 'Some CPU',
      cores: 2,
      memoryGB: 24,
      kernel: '6.1',
      fileSystem: 'ext4',
      fdatasyncMicros: 90,
      node: 'v24.0.0',
      loadAverageBefore: 0.1,
    },
    standstillMs: { before: 1.5, after: 28.81 },
    versions: { quorate: '0.1.0', etcd: '3.5.30' },
    commit: 'abc1234',
    fsync: true,
    loadGenerator: 'h2load',
    rows,
    failures,
  };
}

describe('rows', () => {
  test('hold the median and the spread of each server, and the ratio of the medians', () => {
    const [row] = rowsOf(PUT);
    expect(row?.quorate).toEqual({ median: 200, min: 100, max: 300, values: [100, 300, 200] });
    expect(row?.etcd?.median).toBe(400);
    expect(row?.ratio).toBe(0.5);
    expect(row).not.toHaveProperty('limit');
  });

  test('turn the ratio round where less is better, and know the goals', () => {
    const [row] = rowsOf(RESTART);
    expect(row?.ratio).toBe(2);
    expect(row?.limit).toBe(500);
  });

  test('have no ratio when one server has no figure', () => {
    const [row] = rowsOf({ ...PUT, rounds: { quorate: [[rate(1)]] } });
    expect(row?.quorate?.median).toBe(1);
    expect(row).not.toHaveProperty('etcd');
    expect(row).not.toHaveProperty('ratio');
  });
});

describe('the page', () => {
  test('shows figures with their spread, ratios, missed goals and failures', () => {
    const page = markdown(results([...rowsOf(PUT), ...rowsOf(RESTART)], ['put-1x1, round 2, etcd: fell over\nbadly']));
    expect(page).toContain('| put, one by one | rate | 200/s (100 – 300) | 400/s (380 – 420) | 0.50 |');
    expect(page).toContain('quorate 0.1.0 (abc1234) and etcd 3.5.30');
    expect(page).toContain('stood still for up to 1.50 ms before, 28.8 ms after');
    expect(page).toContain('- restart-100k, until healthy: 600 ms, goal 500 ms');
    expect(page).toContain('- put-1x1, round 2, etcd: fell over badly');
  });

  test('does not speak of missed goals when there are none', () => {
    expect(markdown(results(rowsOf(PUT)))).not.toMatch(/Goals missed|Failed/);
  });

  test('writes amounts with as many digits as mean something', () => {
    expect([0.123, 1.239, 12.34, 123.4, 54_321.9].map(amount)).toEqual(['0.12', '1.24', '12.3', '123', '54,322']);
  });
});

test('the chart is an SVG with the headline figures that have a ratio', () => {
  const svg = chart(results([...rowsOf(PUT), ...rowsOf(RESTART)]));
  expect(svg).toMatch(/^<svg /);
  expect(svg).toContain('put-1x1');
  expect(svg).not.toContain('restart-100k');
});

test('results of a day do not replace each other', () => {
  const dir = mkdtempSync(join(tmpdir(), 'bench-report-'));
  try {
    writeResults(dir, results(rowsOf(PUT)));
    writeResults(dir, { ...results(rowsOf(RESTART)), rounds: 7 });
    expect(readdirSync(dir).sort()).toEqual(
      [
        '2025-03-04-2.json',
        '2025-03-04-2.md',
        '2025-03-04-2.svg',
        '2025-03-04.json',
        '2025-03-04.md',
        '2025-03-04.svg',
      ].sort(),
    );
    expect(JSON.parse(readFileSync(join(dir, '2025-03-04.json'), 'utf8'))).toEqual(results(rowsOf(PUT)));
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('the file system is that of the longest mount point above', () => {
  const mounts = '/dev/vda / ext4 rw 0 0\ntmpfs /tmp tmpfs rw 0 0\n/dev/vdb /tmp/disk xfs rw 0 0\n';
  expect(fileSystemOf('/home/x', mounts)).toBe('ext4');
  expect(fileSystemOf('/tmp/a/b', mounts)).toBe('tmpfs');
  expect(fileSystemOf('/tmp/disk', mounts)).toBe('xfs');
  expect(fileSystemOf('/tmp/diskette', mounts)).toBe('tmpfs');
});

test('cases are chosen by name, in their own order', () => {
  const cases = [{ name: 'a' }, { name: 'b' }, { name: 'c' }];
  expect(chooseCases(cases, undefined)).toEqual(cases);
  expect(chooseCases(cases, ['c', 'a'])).toEqual([{ name: 'a' }, { name: 'c' }]);
  expect(() => chooseCases(cases, ['a', 'x'])).toThrow('no such case: x; there are a, b, c');
});
