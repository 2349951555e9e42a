/** Runs cases: round by round, one server after the other, never two at once, each with a folder of its own. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchCase, CaseContext, Measurement } from './case.ts';
import { Cluster } from './servers/cluster.ts';
import { Server, type ServerKind, type ServerSpec } from './servers/server.ts';
import type { Sizes } from './sizes.ts';

export interface CaseRun {
  readonly name: string;
  readonly title: string;
  /** Each round's measurements. */
  readonly rounds: Readonly<Partial<Record<ServerKind, readonly (readonly Measurement[])[]>>>;
  readonly failures: readonly { readonly server: ServerKind; readonly round: number; readonly error: string }[];
}

export interface RunnerParts {
  readonly cases: readonly BenchCase[];
  readonly servers: readonly ServerSpec[];
  readonly sizes: Sizes;
  readonly rounds: number;
  /** Of a cluster, in the cases that start one. */
  readonly members: number;
  readonly workDir: string;
  readonly onStep: (what: string) => void;
  readonly onStepDone: (error: string | undefined) => void;
}

export async function runCases(parts: RunnerParts): Promise<CaseRun[]> {
  const runs: CaseRun[] = [];
  for (const one of parts.cases) runs.push(await runCase(parts, one));
  return runs;
}

async function runCase(parts: RunnerParts, one: BenchCase): Promise<CaseRun> {
  const rounds: Partial<Record<ServerKind, (readonly Measurement[])[]>> = {};
  const failures: CaseRun['failures'][number][] = [];
  for (let round = 1; round <= parts.rounds; round++) {
    for (const spec of parts.servers) {
      parts.onStep(`${one.name}, round ${round}, ${spec.kind}`);
      try {
        const measurements = await runStep(parts, one, spec);
        (rounds[spec.kind] ??= []).push(measurements);
        parts.onStepDone(undefined);
      } catch (error) {
        const text = error instanceof Error ? error.message : String(error);
        failures.push({ server: spec.kind, round, error: text });
        parts.onStepDone(`${one.name}, round ${round}, ${spec.kind}: ${text}`);
      }
    }
  }
  return { name: one.name, title: one.title, rounds, failures };
}

async function runStep(parts: RunnerParts, one: BenchCase, spec: ServerSpec): Promise<readonly Measurement[]> {
  const dir = join(parts.workDir, `${one.name}-${spec.kind}`);
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir, { recursive: true });
  const started: (Server | Cluster)[] = [];
  const dataDir = (name = 'data'): string => join(dir, name);
  const context: CaseContext = {
    kind: spec.kind,
    sizes: parts.sizes,
    dir,
    dataDir,
    start: async (options = {}) => {
      const server = await Server.start(spec, {
        dataDir: dataDir(options.dataDir),
        logFile: join(dir, 'server.log'),
        probe: options.probe ?? false,
      });
      started.push(server);
      return server;
    },
    startCluster: async () => {
      const cluster = await Cluster.start(spec, dir, parts.members);
      started.push(cluster);
      return cluster;
    },
  };
  try {
    return await withinTime(one.run(context), parts.sizes.stepTimeoutMs);
  } finally {
    for (const server of started) await server.stop();
    await rm(dir, { recursive: true, force: true });
  }
}

function withinTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not done after ${timeoutMs} ms`)), timeoutMs);
    work.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
