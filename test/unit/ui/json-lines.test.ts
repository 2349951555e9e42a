import { describe, expect, test } from 'vitest';
import { jsonLines } from '../../../src/ui/json-lines.ts';

function stream(chunks: readonly Uint8Array[], onCancel = (): void => {}): ReadableStream<Uint8Array> {
  const rest = [...chunks];
  return new ReadableStream({
    pull: (controller) => {
      const chunk = rest.shift();
      if (chunk === undefined) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: onCancel,
  });
}

async function all(chunks: readonly Uint8Array[]): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const value of jsonLines(stream(chunks))) values.push(value);
  return values;
}

describe('JSON by lines', () => {
  test('comes out the same however it is cut into chunks', async () => {
    const bytes = new TextEncoder().encode('{"a":"ü鍵"}\n\n{"b":[1,2]}\n{"last":true}');
    for (let size = 1; size <= bytes.length; size++) {
      const chunks: Uint8Array[] = [];
      for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size));
      expect(await all(chunks)).toEqual([{ a: 'ü鍵' }, { b: [1, 2] }, { last: true }]);
    }
  });

  test('lets go of the stream when nobody wants more', async () => {
    let isCancelled = false;
    const chunk = new TextEncoder().encode('1\n2\n3\n4\n');
    const endless = stream(Array<Uint8Array>(100).fill(chunk), () => (isCancelled = true));
    for await (const value of jsonLines(endless)) if (value === 2) break;
    expect(isCancelled).toBe(true);
  });

  test('that is none throws', async () => {
    await expect(all([new TextEncoder().encode('{"a"\n')])).rejects.toThrow(SyntaxError);
  });
});
