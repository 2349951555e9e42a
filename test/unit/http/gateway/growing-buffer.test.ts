import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GrowingBuffer } from '../../../../src/http/gateway/growing-buffer.ts';

test('GrowingBuffer holds what was pushed, and takes little more memory', () => {
  const piece = fc.uint8Array({ maxLength: 3000 });
  const step = fc.oneof(piece, fc.nat({ max: 2000 }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const buffer = new GrowingBuffer();
      let model = Buffer.alloc(0);
      let most = 0;
      for (const one of steps) {
        if (typeof one === 'number') {
          const count = Math.min(one, model.length);
          buffer.shift(count);
          model = model.subarray(count);
        } else {
          buffer.push(one);
          model = Buffer.concat([model, one]);
        }
        most = Math.max(most, model.length);
        expect(buffer.bytes.equals(model)).toBe(true);
        expect(buffer.capacity).toBeLessThanOrEqual(Math.max(1024, 2 * most));
      }
    }),
  );
});
