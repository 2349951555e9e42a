/** h2load, of Debian's package nghttp2-client: the load of calls that are all alike on one connection. */
import { spawn, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { killAtExit } from '../servers/live-children.ts';
import { type LogEntry, parseLog, parseSummary, type H2loadSummary } from './h2load-output.ts';

export function h2loadVersion(): string {
  const { stdout, error } = spawnSync('h2load', ['--version'], { encoding: 'utf8' });
  if (error !== undefined) throw new Error('h2load is not installed: apt-get install nghttp2-client');
  return stdout.trim();
}

export interface H2loadRun {
  readonly port: number;
  readonly path: string;
  /** The gRPC frame that every request sends. */
  readonly body: Uint8Array;
  readonly connections: number;
  readonly streamsPerConnection: number;
  /** For its body and log. */
  readonly dir: string;
  /** Either a number of requests, all connections together, or a time. */
  readonly amount: { readonly requests: number } | { readonly durationMs: number };
}

export interface H2loadResult {
  readonly summary: H2loadSummary;
  readonly log: readonly LogEntry[];
}

const LONGER = 10;

/**
 * Rejects when it saw an error of the transport or of HTTP. A load for a fraction of a second, on a machine that stands still for so
 * long, makes no request at all; then it is made once more, for ten times as long.
 */
export async function h2load(run: H2loadRun): Promise<H2loadResult> {
  const result = await h2loadOnce(run);
  if (result.log.length > 0 || !('durationMs' in run.amount)) return result;
  return h2loadOnce({ ...run, amount: { durationMs: LONGER * run.amount.durationMs } });
}

async function h2loadOnce(run: H2loadRun): Promise<H2loadResult> {
  const bodyFile = join(run.dir, 'h2load-body');
  const logFile = join(run.dir, 'h2load-log');
  await Promise.all([writeFile(bodyFile, run.body), writeFile(logFile, '')]);
  const output = await outputOf('h2load', [
    `--clients=${run.connections}`,
    `--max-concurrent-streams=${run.streamsPerConnection}`,
    'durationMs' in run.amount ? `--duration=${run.amount.durationMs}ms` : `--requests=${run.amount.requests}`,
    `--data=${bodyFile}`,
    `--log-file=${logFile}`,
    '--header=content-type: application/grpc',
    '--header=te: trailers',
    `http://127.0.0.1:${run.port}${run.path}`,
  ]);
  const summary = parseSummary(output);
  if (summary.failed > 0) throw new Error(`${summary.failed} requests of h2load failed\n${output}`);
  return { summary, log: parseLog(await readFile(logFile, 'latin1')) };
}

function outputOf(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    killAtExit(child);
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString('latin1');
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.once('error', reject);
    child.once('close', (code, signal) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${signal ?? `code ${code}`}\n${output}`));
    });
  });
}
