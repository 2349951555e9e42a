/** Scrapes a server's metrics. */
import { http } from './http.ts';
import { type MetricFamily, parseExposition, sampleKey, samplesOf } from './exposition.ts';

const TEXT_FORMAT = 'text/plain; version=0.0.4; charset=utf-8';

export async function scrape(endpoint: string): Promise<Map<string, MetricFamily>> {
  const { status, body, headers } = await http(`http://${endpoint}/metrics`);
  if (status !== 200) throw new Error(`/metrics answered ${status}: ${body}`);
  const contentType = String(headers['content-type']);
  if (!contentType.startsWith(TEXT_FORMAT)) throw new Error(`not the text format: ${contentType}`);
  return parseExposition(body);
}

/** The value of one sample; 0 where it is not there. */
export async function sample(
  endpoint: string,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<number> {
  return samplesOf(await scrape(endpoint)).get(sampleKey(name, labels)) ?? 0;
}

/** The sum of all samples of that name. */
export async function sampleSum(endpoint: string, name: string): Promise<number> {
  const samples = [...samplesOf(await scrape(endpoint))];
  return samples
    .filter(([key]) => key === name || key.startsWith(`${name}{`))
    .reduce((sum, [, value]) => sum + value, 0);
}
