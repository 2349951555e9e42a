import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NodeFileSystem } from '../../../src/platform/node-file-system.ts';
import { MemoryFileSystem } from '../../support/memory-file-system.ts';
import { describeFileSystem } from './file-system-suite.ts';

describeFileSystem('node', () => {
  const dir = mkdtempSync(join(tmpdir(), 'quorate-fs-'));
  return { fs: new NodeFileSystem(), dir, cleanUp: () => rmSync(dir, { recursive: true }) };
});

describeFileSystem('memory', () => {
  const fs = new MemoryFileSystem();
  fs.makeDir('/data', 0o700);
  return { fs, dir: '/data', cleanUp: () => {} };
});
