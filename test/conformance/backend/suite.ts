/** What every Backend has to do. Run it on each adapter with a function that makes an empty one. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TABLES } from '../../../src/mvcc/backend.ts';
import type { Backend } from '../../../src/mvcc/backend.ts';
import { batchCases } from './batch-cases.ts';
import { cursorCases } from './cursor-cases.ts';
import { longKeyCases } from './long-key-cases.ts';
import { modelCases } from './model-cases.ts';
import { rowCases } from './row-cases.ts';
import { sizeCases } from './size-cases.ts';
import { bytes, commit, longKey, scan, text, withView } from './support.ts';
import { viewCases } from './view-cases.ts';

export interface BackendUnderTest {
  backend: Backend;
  /** Closes and opens again over the same data; undefined where nothing survives a close. */
  reopen: (() => Promise<Backend>) | undefined;
  cleanUp(): void;
}

export function backendConformance(name: string, create: () => Promise<BackendUnderTest>): void {
  describe(`backend: ${name}`, () => {
    let subject: BackendUnderTest;
    beforeEach(async () => {
      subject = await create();
    });
    afterEach(() => subject.cleanUp());
    const backend = (): Backend => subject.backend;
    rowCases(backend);
    describe('cursors', () => {
      cursorCases(backend);
    });
    batchCases(backend);
    viewCases(backend);
    sizeCases(backend);
    longKeyCases(backend);
    modelCases(backend);

    test('a closed backend is refused', () => {
      subject.backend.close();
      expect(() => subject.backend.view()).toThrow(/after close/);
    });

    test('what was committed is there after a close and an open', async (context) => {
      if (subject.reopen === undefined) return context.skip('this backend keeps nothing');
      await commit(subject.backend, (batch) => {
        for (const table of TABLES) batch.put(table, bytes(table), bytes('value of ', table));
        batch.put('cur', longKey(5000, 1), bytes('long'));
      });
      subject.backend = await subject.reopen();
      withView(subject.backend, (view) => {
        for (const table of TABLES) expect(text(view.get(table, bytes(table)))).toBe(`value of ${table}`);
        expect(text(view.get('cur', longKey(5000, 1)))).toBe('long');
      });
      await commit(subject.backend, (batch) => batch.put('cur', longKey(5000, 2), bytes('another')));
      withView(subject.backend, (view) => expect(scan(view, 'cur').length).toBe(3));
    });
  });
}
