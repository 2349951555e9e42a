/** A configuration that cannot be used. The message is the one line the operator gets: it names the option and its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** 2 for what the command line itself gets wrong, as etcd; 1 for everything else. */
  readonly exitCode: number;

  constructor(line: string, exitCode = 1) {
    super(line.replaceAll(/\s*[\r\n]+\s*/g, ' '));
    this.exitCode = exitCode;
  }
}

/** The line for an option whose value is wrong. `source`: `flag --name`, or what else set it. */
export function invalidValue(source: string, value: string, problem: string, exitCode = 1): ConfigError {
  return new ConfigError(`invalid value ${JSON.stringify(value)} for ${source}: ${problem}`, exitCode);
}
