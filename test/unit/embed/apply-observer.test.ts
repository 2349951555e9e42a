import { expect, test } from 'vitest';
import type { Command } from '../../../src/apply/command.ts';
import { ApplyObserver } from '../../../src/embed/apply-observer.ts';
import { requestText } from '../../../src/embed/request-text.ts';
import { createEtcdMetrics } from '../../../src/observability/etcd-metrics.ts';
import { MetricRegistry } from '../../../src/observability/metric-registry.ts';
import { silentLogger } from '../../../src/ports/logger.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const command = (kind: string, request: object): Command => ({ kind, request }) as unknown as Command;
const PUT = command('put', { key: bytes('k"1'), value: bytes('secret') });

test('a slow apply is logged with its numbers, one that is quick enough is not', () => {
  const lines: unknown[] = [];
  const logger = { ...silentLogger, warn: (...line: unknown[]) => lines.push(line) };
  const observer = new ApplyObserver(createEtcdMetrics(new MetricRegistry()), logger, 100);
  observer.applied(PUT, 0.0999, true);
  expect(lines).toEqual([]);
  observer.applied(PUT, 1.25, true);
  const fields = { took: '1.25s', 'expected-duration': '100ms', request: 'put:<key:"k\\"1" value_size:6 >' };
  expect(lines).toEqual([['apply request took too long', fields]]);
});

test.each([
  [PUT, 'put:<key:"k\\"1" value_size:6 >'],
  [command('deleteRange', { key: bytes('a'), rangeEnd: bytes('b') }), 'delete_range:<key:"a" range_end:"b" >'],
  [command('deleteRange', { key: bytes('a'), rangeEnd: bytes('') }), 'delete_range:<key:"a" >'],
  [command('txn', { compare: [1], success: [1, 2], failure: [] }), 'txn:<compare:1 success:2 failure:0 >'],
  [command('compaction', { revision: 7 }), 'compaction:<revision:7 >'],
  [command('leaseGrant', { TTL: 60, ID: 255n }), 'lease_grant:<ttl:60-second id:ff >'],
  [command('leaseRevoke', { ID: 255n }), 'lease_revoke:<id:ff >'],
  [command('authUserAdd', { name: 'root', password: 'secret' }), 'authUserAdd'],
])('%o', (given, text) => expect(requestText(given)).toBe(text));

test('long keys are cut', () => {
  const text = requestText(command('put', { key: bytes('k'.repeat(1000)), value: bytes('') }));
  expect(text).toBe(`put:<key:"${'k'.repeat(128)}"... key_size:1000 value_size:0 >`);
});
