/** `quorate health`: asks a server whether it is ready. For health checks of containers, in which there is no other program. */
import { readFileSync } from 'node:fs';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { isIPv6 } from 'node:net';
import { join, resolve as resolvePath } from 'node:path';
import { parseCommandLine } from '../config/command-line.ts';
import type { NamedFile } from '../ports/tls-settings.ts';
import type { ServerConfig } from '../config/server-config.ts';
import type { UrlAddress } from '../config/url-address.ts';

const PATH = '/readyz';
const TIMEOUT_MS = 4000;

export interface HealthAnswer {
  readonly isHealthy: boolean;
  /** What the server said, or why it could not be asked. */
  readonly text: string;
}

interface Question {
  /** `http://host:port/path`, or https. */
  readonly url: string;
  readonly socketPath?: string;
  /** To show, should the server ask for a certificate. */
  readonly certFile?: NamedFile;
  readonly keyFile?: NamedFile;
}

/** The server at a URL; one without a path is asked for /readyz. */
export function healthAt(url: string): Promise<HealthAnswer> {
  const { origin, pathname } = new URL(url);
  return ask({ url: `${origin}${pathname === '/' ? PATH : pathname}` });
}

/**
 * The server that runs as this process, found by the flags, variables and configuration file that it was started with.
 *
 * @param proc another place for /proc
 */
export async function healthOfProcess(pid: number, proc = '/proc'): Promise<HealthAnswer> {
  let question: Question;
  try {
    question = questionFor(configOf(join(proc, String(pid))));
  } catch (error) {
    return { isHealthy: false, text: error instanceof Error ? error.message : String(error) };
  }
  return ask(question);
}

function configOf(processDir: string): ServerConfig {
  const words = readFileSync(join(processDir, 'cmdline'), 'utf8').split('\0').slice(0, -1);
  const variables = readFileSync(join(processDir, 'environ'), 'utf8').split('\0').slice(0, -1);
  const env = Object.fromEntries(
    variables.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  );
  // node, its options, the bundle, the server's flags.
  const program = words.findIndex((word, i) => i > 0 && !word.startsWith('-'));
  const flags = words.slice(program + 1);
  const command = parseCommandLine(
    flags,
    env,
    (path) => readFileSync(resolvePath(join(processDir, 'cwd'), path), 'utf8'),
    () => true,
  );
  if (command.kind !== 'run') throw new Error(`that process is not a server: ${words.join(' ')}`);
  return command.config;
}

/** Where metrics are served apart, which is mostly without TLS; else where clients are. */
function questionFor(config: ServerConfig): Question {
  const clientUrls = config.listenClientHttpUrls.length > 0 ? config.listenClientHttpUrls : config.listenClientUrls;
  const urls = [...config.listenMetricsUrls, ...clientUrls];
  const address = urls.find(({ secure }) => !secure) ?? urls[0];
  if (address === undefined) throw new Error('the server listens nowhere');
  const pair = address.secure ? config.clientTls?.own : undefined;
  return {
    ...placeToAsk(address),
    ...(pair !== undefined && { certFile: pair.certificate, keyFile: pair.key }),
  };
}

function placeToAsk(address: UrlAddress): Pick<Question, 'url' | 'socketPath'> {
  const scheme = address.secure ? 'https' : 'http';
  if (address.kind === 'unix') return { url: `${scheme}://localhost${PATH}`, socketPath: address.path };
  const host = ['', '0.0.0.0', '::'].includes(address.host) ? '127.0.0.1' : address.host;
  return { url: `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${address.port}${PATH}` };
}

function ask({ url, socketPath, certFile, keyFile }: Question): Promise<HealthAnswer> {
  return new Promise((resolve) => {
    const failed = (error: Error): void => resolve({ isHealthy: false, text: `${url}: ${error.message}` });
    const options = {
      timeout: TIMEOUT_MS,
      agent: false,
      // What is asked is whether it serves, not who it is.
      rejectUnauthorized: false,
      ...(socketPath !== undefined && { socketPath }),
      ...(certFile !== undefined && { cert: readFileSync(certFile.path) }),
      ...(keyFile !== undefined && { key: readFileSync(keyFile.path) }),
    };
    const request = (url.startsWith('https:') ? requestHttps : requestHttp)(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve({ isHealthy: response.statusCode === 200, text: text.trim() }));
      response.on('error', failed);
    });
    request.on('timeout', () => request.destroy(new Error(`no answer within ${TIMEOUT_MS} ms`)));
    request.on('error', failed);
    request.end();
  });
}
