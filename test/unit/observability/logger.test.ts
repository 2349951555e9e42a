import { describe, expect, it } from 'vitest';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { createLogger } from '../../../src/observability/logger.ts';
import type { LoggerOptions } from '../../../src/observability/logger.ts';

function capture(options: LoggerOptions = {}): { lines: string[]; logger: ReturnType<typeof createLogger> } {
  const lines: string[] = [];
  const logger = createLogger(options, { write: (line) => void lines.push(line), flush: () => {} });
  return { lines, logger };
}

describe('createLogger', () => {
  it('writes JSON lines with level, ts, caller, msg first, then the fields', () => {
    const { lines, logger } = capture();
    logger
      .child('server/pump.ts')
      .warn('something slow', { took: '1s', count: 3, id: 2n ** 63n, error: new Error('why') });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(
      /^\{"level":"warn","ts":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z","caller":"server\/pump\.ts","msg":"something slow","took":"1s","count":3,"id":9223372036854775808,"error":"why"\}\n$/,
    );
  });

  it('stamps the time now, never going back', () => {
    const { lines, logger } = capture();
    const beforeMs = Date.now();
    for (let i = 0; i < 200; i++) logger.info('tick');
    const stamps = lines.map((line) => (JSON.parse(line) as { ts: string }).ts);
    expect(stamps).toEqual(stamps.toSorted());
    expect(Date.parse(stamps[0] ?? '')).toBeGreaterThanOrEqual(beforeMs - 5);
    expect(Date.parse(stamps.at(-1) ?? '')).toBeLessThanOrEqual(Date.now() + 5);
  });

  it('keeps to its level, children too', () => {
    const { lines, logger } = capture({ level: 'warn' });
    const child = logger.child('a.ts');
    for (const log of [logger, child]) {
      log.debug('no');
      log.info('no');
      log.warn('yes');
      log.error('yes');
      log.panic('yes');
      log.fatal('yes');
    }
    const levels = lines.map((line) => (JSON.parse(line) as { level: string }).level);
    expect(levels).toEqual(['warn', 'error', 'panic', 'fatal', 'warn', 'error', 'panic', 'fatal']);
    const debug = capture({ level: 'debug' });
    debug.logger.debug('seen');
    expect(debug.lines).toHaveLength(1);
  });

  it('writes for people when asked', () => {
    const { lines, logger } = capture({ format: 'console' });
    logger.child('a.ts').info('hello', { b: 2 });
    logger.child('a.ts').info('plain');
    expect(lines[0]).toMatch(/^\S+Z\tinfo\ta\.ts\thello\t\{"b":2\}\n$/);
    expect(lines[1]).toMatch(/\tplain\n$/);
  });

  describe('on stderr', () => {
    const module = path.resolve(import.meta.dirname, '../../../src/observability/logger.ts');

    function run(body: string, redirect = ''): { stdout: string; stderr: string; status: number | null } {
      const script = `import { createLogger } from ${JSON.stringify(module)}; const logger = createLogger(); ${body}`;
      return spawnSync('bash', ['-c', `"$0" --input-type=module -e "$1" ${redirect}`, process.execPath, script], {
        encoding: 'utf8',
        maxBuffer: 64 * 1024 * 1024,
        timeout: 25_000,
      });
    }
    const flood = "for (let i = 0; i < 5000; i++) logger.info('line ' + i, { padding: 'x'.repeat(200) });";

    it('writes every line in order, also right before a sudden end', () => {
      const numbers = (stderr: string): number[] =>
        [...stderr.matchAll(/"line (\d+)"/g)].map((match) => Number(match[1]));
      const few = "for (let i = 0; i < 100; i++) logger.info('line ' + i);";
      expect(numbers(run(`${few} process.kill(process.pid, 'SIGKILL');`).stderr)).toEqual([...Array(100).keys()]);
      expect(numbers(run(`${flood} process.exit(0);`).stderr)).toEqual([...Array(5000).keys()]);
    });

    it('survives a reader that is gone and a device that is full', () => {
      for (const redirect of ['2> >(exec true)', '2>/dev/full', '2>&-']) {
        const { status, stdout } = run(`setTimeout(() => { ${flood} console.log('alive'); }, 30);`, redirect);
        expect([redirect, status, stdout]).toEqual([redirect, 0, 'alive\n']);
      }
    });

    it('is not held up by a reader that does not read', () => {
      const body = `
        const startedMs = performance.now();
        ${flood}
        console.log(performance.now() - startedMs < 15000 ? 'quick' : 'held up');
        process.exit(0);`;
      expect(run(body, '2> >(exec sleep 20 >/dev/null 2>&1)').stdout).toBe('quick\n');
    });
  });
});
