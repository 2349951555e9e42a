/** --log-rotation-config-json, which counts where --enable-log-rotation is on. */
import { type ConfigError, invalidValue } from './config-error.ts';
import type { OptionValues } from './option-values.ts';
import type { LogRotation } from './server-config.ts';

const MEGABYTE_BYTES = 1024 ** 2;
const DAY_MS = 86_400_000;
const MEGABYTES_DEFAULT = 100;
const STREAMS = new Set(['stderr', 'stdout']);

/** undefined when it is off. `outputs`: where the log goes; one file at most can be rotated. Throws ConfigError. */
export function readLogRotation(values: OptionValues, outputs: readonly string[]): LogRotation | undefined {
  if (!values.get('enable-log-rotation')) return undefined;
  const files = outputs.filter((output) => !STREAMS.has(output)).length;
  if (files > 1 || (files === 0 && outputs.length === 1)) {
    throw invalidValue('flag --log-outputs', values.text('log-outputs'), 'log rotation needs exactly one file');
  }
  const { number, boolean } = new RotationJson(values.get('log-rotation-config-json'));
  return {
    sizeBytesMax: (number('maxsize') || MEGABYTES_DEFAULT) * MEGABYTE_BYTES,
    ageMsMax: number('maxage') * DAY_MS,
    backupsMax: number('maxbackups'),
    localTime: boolean('localtime'),
    compress: boolean('compress'),
  };
}

/** As Go reads JSON into a structure: keys in any case, unknown ones ignored, null as if it were not there. */
class RotationJson {
  readonly #text: string;
  readonly #fields: ReadonlyMap<string, unknown>;

  constructor(text: string) {
    this.#text = text;
    const parsed = this.#parse();
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw this.#invalid('it is no object');
    this.#fields = new Map(Object.entries(parsed).map(([key, value]) => [key.toLowerCase(), value]));
  }

  readonly number = (key: string): number => {
    const value = this.#fields.get(key) ?? 0;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    throw this.#invalid(`${key} must be a whole number of at least 0`);
  };

  readonly boolean = (key: string): boolean => {
    const value = this.#fields.get(key) ?? false;
    if (typeof value === 'boolean') return value;
    throw this.#invalid(`${key} must be true or false`);
  };

  #parse(): unknown {
    try {
      return JSON.parse(this.#text);
    } catch (error) {
      throw this.#invalid(error instanceof Error ? error.message : String(error));
    }
  }

  #invalid(problem: string): ConfigError {
    return invalidValue('flag --log-rotation-config-json', this.#text, problem);
  }
}
