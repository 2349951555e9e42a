/** Rules that etcd has for single options and for options together. Each throws a ConfigError with one line. */
import { readAutoCompaction } from './auto-compaction.ts';
import { ConfigError, invalidValue } from './config-error.ts';
import { defaultOf, type OptionValues } from './option-values.ts';
import { type OptionName, specOf } from './options.ts';
import { isBindable, placeOf } from './url-address.ts';

type UrlOption =
  | 'listen-peer-urls'
  | 'listen-client-urls'
  | 'listen-client-http-urls'
  | 'listen-metrics-urls'
  | 'advertise-client-urls'
  | 'initial-advertise-peer-urls';

const ELECTION_MS_MAX = 50_000;
const HEARTBEATS_PER_ELECTION = 5;
const SAMPLES_PER_MILLION_MAX = 1_000_000;

/** `fromFile`: there, listen-client-urls does not ask for advertise-client-urls. */
export function validate(values: OptionValues, fromFile: boolean): void {
  // First what is wrong for etcd too, so that an operator is not sent after a missing feature by a mistyped value.
  checkUrls(values);
  checkHttpUrls(values);
  checkTicks(values);
  checkBootstrap(values);
  checkFallback(values);
  checkAdvertised(values, fromFile);
  checkCompaction(values);
  checkTracing(values);
  checkSupport(values);
}

function checkUrls(values: OptionValues): void {
  const listening = [
    'listen-peer-urls',
    'listen-client-urls',
    'listen-client-http-urls',
    'listen-metrics-urls',
  ] as const;
  for (const name of listening) {
    const unbindable = values.get(name).find((url) => !isBindable(url));
    if (unbindable) throw invalid(name, unbindable.text, 'one can only listen on an IP address or localhost');
  }
  for (const name of ['initial-advertise-peer-urls', 'advertise-client-urls'] as const) {
    const hostless = values.get(name).find((url) => url.kind === 'tcp' && url.host === '');
    if (hostless) throw invalid(name, hostless.text, 'the host is missing');
  }
}

/** Two listeners for different things cannot share an address, whatever the scheme. */
function checkHttpUrls(values: OptionValues): void {
  const places = new Set(values.get('listen-client-urls').map(placeOf));
  const shared = values.get('listen-client-http-urls').find((url) => places.has(placeOf(url)));
  if (shared) throw invalid('listen-client-http-urls', shared.text, 'it is among --listen-client-urls, too');
}

function checkTicks(values: OptionValues): void {
  const heartbeatMs = values.get('heartbeat-interval');
  const electionMs = values.get('election-timeout');
  if (heartbeatMs === 0) throw invalid('heartbeat-interval', '0', 'it must be more than 0 ms');
  if (electionMs === 0) throw invalid('election-timeout', '0', 'it must be more than 0 ms');
  if (HEARTBEATS_PER_ELECTION * heartbeatMs > electionMs) {
    const rule = `it must be at least ${HEARTBEATS_PER_ELECTION} times --heartbeat-interval=${heartbeatMs}`;
    throw invalid('election-timeout', String(electionMs), rule);
  }
  if (electionMs > ELECTION_MS_MAX) {
    throw invalid('election-timeout', String(electionMs), `it must be at most ${ELECTION_MS_MAX} ms`);
  }
}

function checkBootstrap(values: OptionValues): void {
  const ways = (['initial-cluster', 'discovery-endpoints', 'discovery', 'discovery-srv'] as const).filter(
    (name) => values.isSet(name) && values.text(name) !== '',
  );
  if (ways.length > 1) throw new ConfigError(`only one of ${ways.map((way) => `--${way}`).join(' and ')} can be set`);
  if (values.get('name') === '') throw invalid('name', '', 'it must not be empty');
  const odd = /[=,]/.exec(values.get('name'));
  if (odd) throw invalid('name', values.get('name'), `it must not contain ${odd[0]}`);
}

function checkFallback(values: OptionValues): void {
  if (values.get('discovery-fallback') !== 'proxy') return;
  throw new ConfigError(`v2 proxy is deprecated, and --discovery-fallback can't be configured as "proxy"`);
}

function checkAdvertised(values: OptionValues, fromFile: boolean): void {
  if (fromFile || !values.isSet('listen-client-urls') || values.isSet('advertise-client-urls')) return;
  throw new ConfigError(
    `--advertise-client-urls is required when --listen-client-urls is set (to ${values.text('listen-client-urls')})`,
  );
}

function checkCompaction(values: OptionValues): void {
  readAutoCompaction(values);
  if (values.get('compact-hash-check-time') <= 0) {
    throw invalid('compact-hash-check-time', values.text('compact-hash-check-time'), 'it must be more than 0');
  }
}

/** Only where it is on, as in etcd. */
function checkTracing(values: OptionValues): void {
  if (!values.get('enable-distributed-tracing')) return;
  const rate = values.get('distributed-tracing-sampling-rate');
  if (rate < 0) throw invalid('distributed-tracing-sampling-rate', String(rate), 'it must be positive');
  if (rate <= SAMPLES_PER_MILLION_MAX) return;
  const problem = `it must be at most ${SAMPLES_PER_MILLION_MAX}`;
  throw invalid('distributed-tracing-sampling-rate', String(rate), problem);
}

function checkSupport(values: OptionValues): void {
  for (const [name, { alias, text }] of values.settings()) {
    const { support } = specOf(name);
    if ((support !== 'unsupported' && support !== 'removed') || !differsFromDefault(values, name)) continue;
    const problem = support === 'removed' ? 'is no longer there, as in etcd 3.6' : 'is not supported yet';
    throw new ConfigError(`flag --${alias} ${problem} (set to ${JSON.stringify(text)})`);
  }
}

export function differsFromDefault(values: OptionValues, name: OptionName): boolean {
  return JSON.stringify(values.get(name)) !== JSON.stringify(defaultOf(name));
}

function invalid(name: UrlOption | OptionName, value: string, problem: string): ConfigError {
  return invalidValue(`flag --${name}`, value, problem);
}
