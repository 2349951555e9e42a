/** --auto-compaction-mode and --auto-compaction-retention, read together: the mode says what the retention counts. */
import type { AutoCompaction } from '../server/compaction-schedule.ts';
import { invalidValue, type ConfigError } from './config-error.ts';
import { parseGoDurationMs } from './go-values.ts';
import type { OptionValues } from './option-values.ts';

const HOUR_MS = 3_600_000;
/** As Go's strconv.Atoi: no prefix, no underscore. */
const BARE_NUMBER = /^\+?\d+$/;
const NANOSECONDS_PER_MS = 1e6;

/** undefined when the retention is 0. Throws ConfigError. */
export function readAutoCompaction(values: OptionValues): AutoCompaction | undefined {
  const mode = values.get('auto-compaction-mode');
  const text = values.get('auto-compaction-retention');
  if (mode !== 'periodic' && mode !== 'revision') {
    throw invalidValue('flag --auto-compaction-mode', mode, 'it must be periodic or revision');
  }
  const retention = BARE_NUMBER.test(text) ? bareNumber(mode, text) : duration(mode, text);
  if (retention === 0) return undefined;
  return mode === 'periodic' ? { mode, retentionMs: retention } : { mode, retentionRevisions: retention };
}

function bareNumber(mode: AutoCompaction['mode'], text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw invalid(text, 'the number is too large');
  return mode === 'periodic' ? number * HOUR_MS : number;
}

/** In revision mode, etcd takes a duration for its number of nanoseconds. */
function duration(mode: AutoCompaction['mode'], text: string): number {
  const ms = text === '' ? 0 : parseGoDurationMs(text);
  if (ms === undefined) throw invalid(text, 'it must be a whole number or a duration like 30m');
  if (ms < 0) throw invalid(text, 'it must not be negative');
  return mode === 'periodic' ? ms : ms * NANOSECONDS_PER_MS;
}

function invalid(text: string, problem: string): ConfigError {
  return invalidValue('flag --auto-compaction-retention', text, problem);
}
