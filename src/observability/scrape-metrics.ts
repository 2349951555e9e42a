/** How often the metrics themselves were asked for, under the names of Prometheus' own handler. */
import type { MetricRegistry } from './metric-registry.ts';

/** The statuses that the handler knows. */
const CODES = ['200', '500', '503'];

/** Registers the counters and returns what answers a scrape, which they count. */
export function scrapes(registry: MetricRegistry): () => string {
  const inFlight = registry.gauge('promhttp_metric_handler_requests_in_flight', 'Scrapes being answered now.');
  const answered = registry.counters('promhttp_metric_handler_requests_total', 'Scrapes by status code.', ['code']);
  for (const code of CODES) answered.with(code);
  return () => {
    inFlight.add(1);
    try {
      return registry.expose();
    } finally {
      inFlight.add(-1);
      answered.with('200').inc();
    }
  };
}
