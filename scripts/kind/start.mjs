/** `scripts/kind-up`, `scripts/kind-down`: sets up what is missing, then does it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ensureDependencies, node, root } from '../setup.mjs';

ensureDependencies();
const { status } = spawnSync(node, [join(root, 'scripts/kind/main.ts'), ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
