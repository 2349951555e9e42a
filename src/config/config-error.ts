/** A configuration that cannot be used. The message is the one line the operator gets: it names the option and its value. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** 2 for what the command line itself gets wrong, as etcd; 1 for everything else. */
  readonly exitCode: number;

  constructor(line: string, exitCode = 1) {
    super(line);
    this.exitCode = exitCode;
  }
}
