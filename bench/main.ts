/** `npm run bench`: quorate and a real etcd under the same load, one after the other. See docs/benchmarks.md. */
import { mkdirSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { allCases, clusterCases } from './cases/all.ts';
import { h2loadVersion } from './load/h2load.ts';
import { describeMachine } from './machine.ts';
import { longestStandstillMs } from './standstill.ts';
import { chooseCases, parseOptions } from './options.ts';
import { markdown } from './report/markdown.ts';
import { Progress } from './report/progress.ts';
import { type Results, rowsOf } from './report/results.ts';
import { writeResults } from './report/write.ts';
import { runCases } from './runner.ts';
import { etcdSpec, quorateSpec, sourceCommit } from './servers/specs.ts';
import { SIZES } from './sizes.ts';

const ROOT = join(import.meta.dirname, '..');

// Servers that still run are killed, and their data removed, when the process exits for whatever reason.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(130));

const names = [...new Set(Object.values(SIZES).flatMap((sizes) => allCases(sizes).map(({ name }) => name)))];
const clusterNames = clusterCases.map(({ name }) => name);
const options = parseOptions(process.argv.slice(2), names, clusterNames);
process.exitCode = await main();

async function main(): Promise<number> {
  const sizes = SIZES[options.size];
  const rounds = options.rounds ?? sizes.rounds;
  const cases = chooseCases(options.members === 1 ? allCases(sizes) : clusterCases, options.only);
  // Not in the system's folder for temporary files, which may be memory: there, a sync costs nothing.
  const workDir = join(resolve(options.dir ?? join(ROOT, '.cache', 'bench')), `run-${process.pid}`);
  const removeWork = (): void => rmSync(workDir, { recursive: true, force: true });
  process.once('exit', removeWork);
  mkdirSync(workDir, { recursive: true });
  try {
    const loadGenerator = h2loadVersion();
    const machine = describeMachine(workDir);
    const beforeMs = await longestStandstillMs(sizes.standstillMs);
    const servers = options.servers.map((kind) => (kind === 'quorate' ? quorateSpec(workDir) : etcdSpec()));
    const commit = sourceCommit();
    const progress = new Progress(cases.length * rounds * servers.length);
    const runs = await runCases({
      cases,
      servers,
      sizes,
      rounds,
      members: options.members,
      workDir,
      onStep: (what) => progress.step(what),
      onStepDone: (error) => progress.stepDone(error),
    });
    progress.stop();
    const afterMs = await longestStandstillMs(sizes.standstillMs);
    const results: Results = {
      date: new Date().toISOString(),
      size: options.size,
      rounds,
      members: options.members,
      machine,
      standstillMs: { before: beforeMs, after: afterMs },
      versions: Object.fromEntries(servers.map(({ kind, version }) => [kind, version])),
      commit,
      fsync: true,
      loadGenerator,
      rows: runs.flatMap(rowsOf),
      failures: runs.flatMap(({ name, failures }) =>
        failures.map(({ server, round, error }) => `${name}, round ${round}, ${server}: ${error}`),
      ),
    };
    console.log(markdown(results));
    const path = writeResults(resolve(options.out ?? join(ROOT, 'bench', 'results')), results);
    console.error(`written: ${path}.json, .md, .svg`);
    return results.failures.length === 0 ? 0 : 1;
  } finally {
    removeWork();
  }
}
