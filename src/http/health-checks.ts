/** GET /livez, /readyz and their single checks (etcd-behaviour §5.2). */

import { messageOf, withTimeout } from './health-source.ts';
import type { HealthOptions } from './health.ts';
import { methodNotAllowed, plainStatus } from './http-message.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';
import type { Routes } from './routes.ts';

type ProbeType = 'livez' | 'readyz';

interface Check {
  readonly name: string;
  /** Rejects when unhealthy. */
  readonly run: () => Promise<unknown>;
}

interface Outcome {
  readonly name: string;
  /** undefined = healthy. */
  readonly fault: string | undefined;
}

export function addHealthChecks(routes: Routes, options: HealthOptions): void {
  const checks = checksOf(options);
  const livez = checks.filter(({ name }) => name === 'serializable_read');
  addProbe(routes, options, 'livez', livez);
  addProbe(routes, options, 'readyz', checks);
}

function checksOf({ source }: HealthOptions): Check[] {
  return [
    {
      name: 'data_corruption',
      run: async () => failIf(source.alarms().includes('CORRUPT'), 'alarm activated: CORRUPT'),
    },
    { name: 'serializable_read', run: () => source.serializableRead() },
    { name: 'linearizable_read', run: () => source.linearizableRead() },
    { name: 'non_learner', run: async () => failIf(source.isLearner(), 'not supported for learner') },
  ];
}

function addProbe(routes: Routes, options: HealthOptions, type: ProbeType, checks: readonly Check[]): void {
  routes.exact(`/${type}`, probeHandler(options, type, checks, true));
  for (const check of checks) routes.exact(`/${type}/${check.name}`, probeHandler(options, type, [check], false));
}

function probeHandler(options: HealthOptions, type: ProbeType, checks: readonly Check[], isRoot: boolean): HttpHandler {
  return async (request) => {
    if (request.method !== 'GET') {
      options.logger.warn('Health request error', { path: request.path, 'status-code': 405 });
      return methodNotAllowed('GET');
    }
    const excluded = isRoot ? excludedChecks(options, request, checks) : new Set<string>();
    const outcomes: Outcome[] = [];
    for (const check of checks) {
      if (excluded.has(check.name)) continue;
      const outcome = await runCheck(options, check);
      options.metrics.check(type, check.name, outcome.fault === undefined);
      outcomes.push(outcome);
    }
    return answer(options, request, outcomes);
  };
}

function excludedChecks(options: HealthOptions, request: HttpRequest, checks: readonly Check[]): Set<string> {
  const names = new Set(request.query.getAll('exclude').filter((name) => name !== ''));
  const missing = [...names].filter((name) => !checks.some((check) => check.name === name));
  if (missing.length > 0) {
    const quoted = missing.map((name) => JSON.stringify(name)).join(',');
    options.logger.warn('some health checks cannot be excluded', { 'missing-health-checks': quoted });
  }
  return names;
}

async function runCheck({ clock, requestTimeoutMs }: HealthOptions, { name, run }: Check): Promise<Outcome> {
  try {
    await withTimeout(clock, requestTimeoutMs, run());
    return { name, fault: undefined };
  } catch (error) {
    return { name, fault: messageOf(error) };
  }
}

function answer(options: HealthOptions, request: HttpRequest, outcomes: readonly Outcome[]): HttpResponse {
  const lines = outcomes.map(({ name, fault }) =>
    fault === undefined ? `[+]${name} ok\n` : `[-]${name} failed: ${fault}\n`,
  );
  if (outcomes.every(({ fault }) => fault === undefined)) {
    return plainStatus(200, request.query.has('verbose') ? `${lines.join('')}ok` : 'ok');
  }
  options.logger.warn('Health check error', { path: request.path, reason: lines.join(''), 'status-code': 503 });
  return plainStatus(503, lines.join(''));
}

async function failIf(isFault: boolean, message: string): Promise<void> {
  if (isFault) throw new Error(message);
}
