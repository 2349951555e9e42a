/** HTTP as the endpoints see it, whatever carries it. */

export interface HttpRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  /** `name` in lower case. */
  header(name: string): string | undefined;
  readonly isTls: boolean;
  /** To be read once, or not at all. Throws when the client is gone before its end. */
  readonly body: AsyncIterable<Uint8Array>;
  /** Aborted when the client is gone before it got the whole answer. */
  readonly signal: AbortSignal;
  /** Ends its connection, whatever was answered. */
  abort(): void;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** An iterable is sent as it comes, and returned when the client is gone. */
  readonly body: string | Uint8Array | AsyncIterable<string>;
}

export type HttpHandler = (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;

const TEXT = 'text/plain; charset=utf-8';

/** A plain answer. */
export function text(status: number, body: string): HttpResponse {
  return { status, headers: { 'Content-Type': TEXT }, body };
}

/** An error (or short status) in the words and headers that etcd's HTTP library gives it: the text, a newline, no sniffing. */
export function plainStatus(status: number, message: string, headers: Record<string, string> = {}): HttpResponse {
  return {
    status,
    headers: { ...headers, 'Content-Type': TEXT, 'X-Content-Type-Options': 'nosniff' },
    body: `${message}\n`,
  };
}

export function notFound(): HttpResponse {
  return plainStatus(404, '404 page not found');
}

/** To `path`, with the page that etcd's HTTP library shows to who looks. */
export function movedTo(path: string, method: string): HttpResponse {
  const headers = { Location: path };
  if (method !== 'GET') return { status: 301, headers, body: '' };
  const html = { ...headers, 'Content-Type': 'text/html; charset=utf-8' };
  return { status: 301, headers: html, body: `<a href="${path}">Moved Permanently</a>.\n\n` };
}

export function methodNotAllowed(allowed: string): HttpResponse {
  return plainStatus(405, 'Method Not Allowed', { Allow: allowed });
}

/** JSON as Go writes it: also escapes what HTML would take for markup. */
export function goJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
