/** GET /health (etcd-behaviour §5.2): alarms, then the leader, then a read. */

import type { Clock } from '../ports/clock.ts';
import type { Logger } from '../ports/logger.ts';
import { messageOf, withTimeout } from './health-source.ts';
import type { HealthMetrics, HealthSource } from './health-source.ts';
import { goJson, methodNotAllowed, plainStatus, text } from './http-message.ts';
import type { HttpHandler } from './http-message.ts';

export interface HealthOptions {
  readonly source: HealthSource;
  readonly metrics: HealthMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  /** How long a read may take: 5 s + 2 election timeouts. */
  readonly requestTimeoutMs: number;
}

export function healthHandler(options: HealthOptions): HttpHandler {
  return async (request) => {
    if (request.method !== 'GET') {
      options.logger.warn('/health error', { 'status-code': 405 });
      return methodNotAllowed('GET');
    }
    const excluded = new Set(request.query.getAll('exclude'));
    const reason = await findFault(options, excluded, request.query.get('serializable') === 'true');
    options.metrics.health(reason === '');
    if (reason === '') return text(200, goJson({ health: 'true', reason }));
    const output = goJson({ health: 'false', reason });
    options.logger.warn('/health error', { output, 'status-code': 503 });
    return plainStatus(503, output);
  };
}

/** The empty string when there is none. */
async function findFault(options: HealthOptions, excluded: Set<string>, isSerializable: boolean): Promise<string> {
  const { source } = options;
  for (const alarm of source.alarms()) {
    if (!excluded.has(alarm)) return `ALARM ${alarm === 'NOSPACE' || alarm === 'CORRUPT' ? alarm : 'UNKNOWN'}`;
  }
  if (!isSerializable && !source.hasLeader()) return 'RAFT NO LEADER';
  try {
    const read = isSerializable ? source.serializableRead() : source.linearizableRead();
    await withTimeout(options.clock, options.requestTimeoutMs, read);
    return '';
  } catch (error) {
    return `RANGE ERROR:${messageOf(error)}`;
  }
}
