import { X509Certificate, createPrivateKey } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { ensureSelfSigned } from '../../../../src/platform/tls/self-signed.ts';
import { named } from '../../../support/tls-settings.ts';

const dir = mkdtempSync(join(tmpdir(), 'quorate-self-signed-'));
afterAll(() => rmSync(dir, { recursive: true }));

const NOW = new Date('2026-01-01T00:00:00Z');
const DAY_MS = 24 * 3600 * 1000;

function filesIn(folder: string): Parameters<typeof ensureSelfSigned>[0] {
  return {
    certificate: named('auto-tls', join(dir, folder, 'cert.pem')),
    key: named('auto-tls', join(dir, folder, 'key.pem')),
  };
}

function read(folder: string): X509Certificate {
  return new X509Certificate(readFileSync(filesIn(folder).certificate.path));
}

test('is for the hosts, for so many years, and has its key with it', async () => {
  const wanted = { hosts: ['127.0.0.1', '::1', 'localhost', 'localhost'], validityYears: 2, isForDialing: false };
  const { isNew, validTo } = await ensureSelfSigned(filesIn('a/b'), wanted, NOW);
  const certificate = read('a/b');
  expect(isNew).toBe(true);
  expect(validTo.getTime() - NOW.getTime()).toBe(2 * 365 * DAY_MS);
  expect(certificate.validToDate).toEqual(validTo);
  expect(certificate.subjectAltName).toBe('IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:localhost');
  expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1']);
  expect(certificate.checkPrivateKey(createPrivateKey(readFileSync(filesIn('a/b').key.path)))).toBe(true);
  expect(certificate.verify(certificate.publicKey)).toBe(true);
  expect(statSync(filesIn('a/b').key.path).mode & 0o777).toBe(0o600);
});

test('of an earlier start stays, unless it has expired', async () => {
  const wanted = { hosts: ['127.0.0.1'], validityYears: 1, isForDialing: true };
  await ensureSelfSigned(filesIn('c'), wanted, NOW);
  const first = read('c');
  expect(first.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  const soon = new Date(NOW.getTime() + 364 * DAY_MS);
  expect(await ensureSelfSigned(filesIn('c'), wanted, soon)).toEqual({ isNew: false, validTo: first.validToDate });
  expect(read('c').serialNumber).toBe(first.serialNumber);
  const later = new Date(NOW.getTime() + 366 * DAY_MS);
  expect(await ensureSelfSigned(filesIn('c'), wanted, later)).toMatchObject({ isNew: true });
  expect(read('c').serialNumber).not.toBe(first.serialNumber);
});
