import type { ChildProcess } from 'node:child_process';

const LIVE = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of LIVE) child.kill('SIGKILL');
});

/** However this process ends, `child` does not outlive it. */
export function killAtExit(child: ChildProcess): void {
  LIVE.add(child);
  const gone = (): void => {
    LIVE.delete(child);
  };
  child.once('exit', gone);
  child.once('error', gone);
}
