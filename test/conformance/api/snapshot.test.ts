import { createHash } from 'node:crypto';
import { expect, it } from 'vitest';
import { describeTargets } from '../../support/target.ts';

const CHUNK = 32 * 1024;

describeTargets('snapshot', (target) => {
  it('is a stream of chunks that counts down and ends with the SHA-256 of all that was sent', async () => {
    const { client } = target();
    const value = 'x'.repeat(10_000);
    for (let i = 0; i < 50; i++) await client.put({ key: `k${i}`, value });
    const messages = await client.snapshot().drain();
    const last = messages.at(-1);
    const parts = messages.slice(0, -1);
    const total = parts.reduce((sum, part) => sum + part.blob.length, 0);
    expect(total).toBeGreaterThan(500_000);
    expect(total % 512).toBe(0);
    let sent = 0;
    for (const part of parts) {
      expect(part.blob.length).toBeGreaterThan(0);
      expect(part.blob.length).toBeLessThanOrEqual(CHUNK);
      sent += part.blob.length;
      expect(part.remaining_bytes).toBe(BigInt(total - sent));
    }
    const hash = createHash('sha256');
    for (const part of parts) hash.update(part.blob);
    expect(last?.blob.length).toBe(32);
    expect(last?.remaining_bytes).toBe(0n);
    expect(Buffer.from(last?.blob ?? []).toString('hex')).toBe(hash.digest('hex'));
    if (target().atLeast('3.6')) expect(messages[0]?.version).toMatch(/^3\.\d+\.0$/);
  });

  it('may be cancelled', async () => {
    const { client } = target();
    const stream = client.snapshot();
    await stream.next();
    stream.cancel();
    await client.put({ key: 'after', value: 'v' });
    expect((await client.range({ key: 'after' })).count).toBe(1n);
  });

  it('goes on while the store is written to', async () => {
    const { client } = target();
    const snapshot = client.snapshot().drain();
    const puts = await Promise.all(Array.from({ length: 50 }, (_, i) => client.put({ key: `during${i}` })));
    expect(puts).toHaveLength(50);
    expect((await snapshot).length).toBeGreaterThan(1);
  });
});
