import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbBackend } from '../../../src/storage/lmdb/backend.ts';
import { backendConformance } from './suite.ts';
import type { BackendUnderTest } from './suite.ts';

async function create(mapSizeBytes?: number): Promise<BackendUnderTest> {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-lmdb-'));
  const options = { path: join(dir, 'data.mdb'), ...(mapSizeBytes === undefined ? {} : { mapSizeBytes }) };
  let backend = openLmdbBackend(options);
  return {
    backend,
    reopen: () => {
      backend.close();
      backend = openLmdbBackend(options);
      return Promise.resolve(backend);
    },
    cleanUp: () => rmSync(dir, { recursive: true }),
  };
}

backendConformance('LMDB', () => create());
backendConformance('LMDB, mapped anew as the file grows', () => create(64 * 1024));
