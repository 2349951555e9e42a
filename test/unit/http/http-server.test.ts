import net from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { HttpServer } from '../../../src/http/http-server.ts';
import { text } from '../../../src/http/http-message.ts';
import type { HttpHandler } from '../../../src/http/http-message.ts';
import type { Logger } from '../../../src/ports/logger.ts';
import { silentLogger } from '../../../src/ports/logger.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

async function serve(
  handler: HttpHandler,
  logger: Logger = silentLogger,
  idleTimeoutMs = 60_000,
  headersTimeoutMs = 60_000,
): Promise<{ url: string; server: HttpServer }> {
  const server = new HttpServer(handler, logger, idleTimeoutMs, headersTimeoutMs);
  const listener = net.createServer((socket) => server.accept(socket));
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
  cleanups.push(
    () => listener.close(),
    () => server.stop(50),
  );
  return { url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}`, server };
}

describe('HttpServer', () => {
  it('passes on method, path, query and headers, and sends what the handler answers', async () => {
    const { url } = await serve((request) => ({
      status: 203,
      headers: { 'X-Thing': request.header('x-ask') ?? '' },
      body: `${request.method} ${request.path} ${request.query.getAll('q').join('+')} ü`,
    }));
    const response = await fetch(`${url}/a%20b?q=1&q=2`, {
      method: 'PUT',
      headers: { 'x-ask': 'me' },
      body: 'ignored',
    });
    expect(response.status).toBe(203);
    expect(response.headers.get('x-thing')).toBe('me');
    expect(await response.text()).toBe('PUT /a b 1+2 ü');
  });

  it('gives the body to a handler that reads it, and goes on with the next request on the connection', async () => {
    const { url } = await serve(async (request) => {
      if (request.path === '/unread') return text(200, 'unread');
      let bytes = 0;
      for await (const chunk of request.body) {
        bytes += chunk.length;
        if (request.path === '/some') break;
      }
      return text(200, String(bytes > 0 && request.path === '/some' ? 'some' : bytes));
    });
    for (const [path, answer] of [
      ['/all', '300000'],
      ['/unread', 'unread'],
      ['/some', 'some'],
      ['/all', '300000'],
    ]) {
      const response = await fetch(url + (path ?? ''), { method: 'POST', body: 'x'.repeat(300_000) });
      expect(await response.text()).toBe(answer);
    }
  });

  it('sends an iterable as it comes, and ends it when the client is gone', async () => {
    let isEnded = false;
    let signal: AbortSignal | undefined;
    const parts = async function* (): AsyncGenerator<string> {
      try {
        for (let i = 0; ; i++) {
          yield `${i}\n`;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      } finally {
        isEnded = true;
      }
    };
    const { url } = await serve((request) => {
      signal = request.signal;
      return { status: 200, headers: {}, body: parts() };
    });
    const gone = new AbortController();
    const response = await fetch(url, { signal: gone.signal });
    const reader = response.body?.getReader();
    let seen = '';
    while (!seen.includes('3\n')) seen += Buffer.from((await reader?.read())?.value ?? []).toString();
    expect(seen.startsWith('0\n1\n')).toBe(true);
    expect(signal?.aborted).toBe(false);
    gone.abort();
    await expect.poll(() => isEnded).toBe(true);
    expect(signal?.aborted).toBe(true);
  });

  it('cuts an answer short whose parts fail, and logs it', async () => {
    const error = vi.fn<Logger['error']>();
    const parts = async function* (): AsyncGenerator<string> {
      yield 'begin';
      throw new TypeError('a bug');
    };
    const { url } = await serve(() => ({ status: 200, headers: {}, body: parts() }), { ...silentLogger, error });
    const response = await fetch(url);
    await expect(response.text()).rejects.toThrow();
    expect(error).toHaveBeenCalledOnce();
  });

  it('answers HEAD without a body', async () => {
    const { url } = await serve(() => text(200, 'a body'));
    const response = await fetch(url, { method: 'HEAD' });
    expect(response.headers.get('content-length')).toBe('6');
    expect(await response.text()).toBe('');
  });

  it('answers 500 to a handler that fails, and logs it', async () => {
    const error = vi.fn<Logger['error']>();
    const { url } = await serve(
      () => {
        throw new TypeError('a bug');
      },
      { ...silentLogger, error },
    );
    const response = await fetch(`${url}/path`);
    expect(response.status).toBe(500);
    expect(error).toHaveBeenCalledOnce();
    expect(error.mock.calls[0]?.[1]).toMatchObject({ path: '/path' });
  });

  it('stops: idle connections at once, busy ones after their answer', async () => {
    let release: (() => void) | undefined;
    const { url, server } = await serve(async (request) => {
      if (request.path === '/slow') await new Promise<void>((resolve) => (release = resolve));
      return text(200, request.path);
    });
    await (await fetch(`${url}/quick`)).text();
    const slow = fetch(`${url}/slow`).then((response) => response.text());
    await vi.waitFor(() => expect(release).toBeDefined());
    const stopped = server.stop(5000);
    await vi.waitFor(() => expect(server.connections).toBe(1));
    release?.();
    expect(await slow).toBe('/slow');
    await stopped;
    expect(server.connections).toBe(0);
  });

  it('stops by force after the grace', async () => {
    const { url, server } = await serve(() => new Promise(() => {}));
    const failed = fetch(url).then(
      () => 'answered',
      () => 'failed',
    );
    await vi.waitFor(() => expect(server.connections).toBe(1));
    await server.stop(30);
    expect(await failed).toBe('failed');
  });

  it('closes connections that stay without a request, not those that wait for an answer', async () => {
    const handler: HttpHandler = async () => {
      await new Promise((resolve) => setTimeout(resolve, 1200));
      return text(200, 'late');
    };
    const { url, server } = await serve(handler, silentLogger, 500);
    const silent = net.connect(Number(new URL(url).port), '127.0.0.1');
    const slow = net.connect(Number(new URL(url).port), '127.0.0.1');
    slow.write('GET / HTTP/1.1\r\nHost: ');
    const closed = Promise.all([silent, slow].map((socket) => new Promise((resolve) => socket.on('close', resolve))));
    silent.resume();
    slow.resume();
    expect(await (await fetch(url)).text()).toBe('late');
    await closed;
    await vi.waitFor(() => expect(server.connections).toBe(0));
  });

  it('ends a connection whose headers do not end, however lively it is, and no other', async () => {
    const { url, server } = await serve(() => text(200, 'here'), silentLogger, 60_000, 400);
    const idle = net.connect(Number(new URL(url).port), '127.0.0.1');
    // Between two requests.
    idle.resume().write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    const endless = net.connect(Number(new URL(url).port), '127.0.0.1');
    const gone = new Promise((resolve) => endless.on('close', resolve));
    endless.on('error', () => {}).resume();
    endless.write('GET / HTTP/1.1\r\n');
    const drip = setInterval(() => endless.write('X: y\r\n'), 50);
    await gone;
    clearInterval(drip);
    await vi.waitFor(() => expect(server.connections).toBe(1));
    expect(await (await fetch(url)).text()).toBe('here');
    idle.destroy();
  });

  it('answers requests that come in one piece in their order, one at a time, and not too many', async () => {
    let atOnce = 0;
    let atOnceMost = 0;
    const { url } = await serve(async ({ path }) => {
      atOnceMost = Math.max(atOnceMost, ++atOnce);
      await new Promise((resolve) => setTimeout(resolve, 2));
      atOnce--;
      return text(200, `<${path}>`);
    });
    const ask = (count: number): Promise<string> => {
      const socket = net.connect(Number(new URL(url).port), '127.0.0.1');
      let answers = '';
      socket.on('error', () => {}).on('data', (chunk) => (answers += String(chunk)));
      socket.write(
        Array.from(
          { length: count },
          (_, i) => `GET /${i} HTTP/1.1\r\nHost: x\r\n${i === count - 1 ? 'Connection: close\r\n' : ''}\r\n`,
        ).join(''),
      );
      return new Promise((resolve) => socket.on('close', () => resolve(answers)));
    };
    const paths = [...(await ask(20)).matchAll(/<\/(\d+)>/g)].map(([, path]) => Number(path));
    expect(paths).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(atOnceMost).toBe(1);
    expect((await ask(500)).match(/<\/\d+>/g) ?? []).not.toContain('</499>');
  });
});
