import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { etcdIsOlder, etcdToolPath } from './real-etcd.ts';

export interface ToolResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  readonly stdin?: string;
  readonly timeoutMs?: number;
  readonly tool?: 'etcdctl' | 'etcdutl';
}

/** Runs etcdctl against one endpoint (host:port) to its end. */
export async function etcdctl(
  endpoint: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<ToolResult> {
  const running = new RunningTool(endpoint, args, options);
  if (options.stdin !== undefined) running.child.stdin.write(options.stdin);
  running.child.stdin.end();
  return running.result();
}

/** An etcdctl that goes on, such as a watch. */
export class RunningTool {
  readonly child: ChildProcessWithoutNullStreams;
  #stdout = '';
  #stderr = '';
  readonly #ended: Promise<number | null>;
  #wake: (() => void) | undefined;

  constructor(endpoint: string, args: readonly string[], options: ToolOptions = {}) {
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ETCD')));
    this.child = spawn(etcdToolPath(options.tool ?? 'etcdctl'), args, {
      env: { ...env, ETCDCTL_ENDPOINTS: endpoint },
    });
    const timer = setTimeout(() => this.child.kill('SIGKILL'), options.timeoutMs ?? 20_000);
    this.child.stdin.on('error', () => {});
    this.child.stdout.on('data', (chunk: Buffer) => {
      this.#stdout += chunk.toString('latin1');
      this.#wake?.();
    });
    this.child.stderr.on('data', (chunk: Buffer) => {
      this.#stderr += chunk.toString('latin1');
    });
    this.#ended = new Promise((resolve) => {
      this.child.on('close', (code) => {
        clearTimeout(timer);
        resolve(code);
        this.#wake?.();
      });
    });
  }

  get stdout(): string {
    return this.#stdout;
  }

  /** Resolves when stdout has at least `lines` lines. */
  async untilLines(lines: number, timeoutMs = 10_000): Promise<string[]> {
    const deadline = Date.now() + timeoutMs;
    while (this.#stdout.split('\n').length - 1 < lines) {
      if (Date.now() > deadline || this.child.exitCode !== null) {
        throw new Error(`expected ${lines} lines, got:\n${this.#stdout}${this.#stderr}`);
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    return this.#stdout.split('\n').slice(0, -1);
  }

  async result(): Promise<ToolResult> {
    const code = await this.#ended;
    return { code, stdout: this.#stdout, stderr: this.#stderr };
  }

  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<ToolResult> {
    this.child.kill(signal);
    return this.result();
  }
}

/** A line of `endpoint status` in its simple form, without what depends on the version of etcdctl. */
export interface EndpointStatus {
  readonly endpoint: string;
  /** In hexadecimal. */
  readonly id: string;
  readonly version: string;
  readonly size: string;
  readonly isLeader: string;
  readonly isLearner: string;
  readonly term: string;
  readonly index: string;
  readonly applied: string;
  readonly errors: string;
}

export function parseEndpointStatus(line: string): EndpointStatus {
  const fields = line.trimEnd().split(', ');
  // Since 3.6: the storage's version before the size, and after it what is in use, the rest in percent, and the quota.
  if (!etcdIsOlder()) fields.splice(3, 5, fields[4] ?? '');
  const [endpoint, id, version, size, isLeader, isLearner, term, index, applied, errors] = fields.map((field) =>
    field.replace(/,$/, ''),
  );
  const status = { endpoint, id, version, size, isLeader, isLearner, term, index, applied, errors: errors ?? '' };
  if (Object.values(status).includes(undefined)) throw new Error(`not a line of endpoint status: ${line}`);
  return status as EndpointStatus;
}
