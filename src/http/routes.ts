/** Paths and what serves them. */

import { notFound } from './http-message.ts';
import type { HttpHandler, HttpRequest, HttpResponse } from './http-message.ts';

export class Routes {
  readonly #exact = new Map<string, HttpHandler>();
  readonly #prefixes: [string, HttpHandler][] = [];

  exact(path: string, handler: HttpHandler): this {
    this.#exact.set(path, handler);
    return this;
  }

  /** Serves every path that starts with `prefix` and has no exact route; the first prefix added wins. */
  prefix(prefix: string, handler: HttpHandler): this {
    this.#prefixes.push([prefix, handler]);
    return this;
  }

  handle(request: HttpRequest): HttpResponse | Promise<HttpResponse> {
    const handler = this.#exact.get(request.path) ?? this.#prefixes.find(([p]) => request.path.startsWith(p))?.[1];
    return handler === undefined ? notFound() : handler(request);
  }
}
