import { MemoryBackend } from '../../../src/storage/memory-backend.ts';
import { backendConformance } from './suite.ts';

backendConformance('memory', () =>
  Promise.resolve({ backend: new MemoryBackend(), reopen: undefined, cleanUp: () => {} }),
);
