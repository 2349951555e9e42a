/** The headers of one request, checked (RFC 9113 §8.3) and with what gRPC asks for at hand. Immutable: requests share them. */

import type { RpcMetadata } from '../transport.ts';
import { refusalOf, type Refusal } from './request-refusal.ts';

/** Belong to HTTP/1.1 connections and may not appear. */
const CONNECTION_SPECIFIC = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);
const UPPER_CASE = /[A-Z]/;

export class RequestHeaders implements RpcMetadata {
  /** More than HEADER_LIST_BYTES_MAX: not kept. */
  readonly isTooLarge: boolean;
  /** Why the request is malformed, if it is. */
  readonly fault: string | undefined;
  /** Why it is no call although it is well formed, if so. */
  readonly refusal: Refusal | undefined;
  readonly path: string | undefined;
  readonly grpcEncoding: string | undefined;
  readonly grpcTimeout: string | undefined;
  /** What it takes in memory at most. */
  readonly bytes: number;
  /** Names and values by turns. */
  readonly #fields: readonly string[];

  constructor(fields: readonly string[], isTooLarge: boolean, bytes = 0) {
    this.#fields = fields;
    this.bytes = bytes;
    this.isTooLarge = isTooLarge;
    this.fault = isTooLarge ? undefined : findFault(fields);
    this.path = this.get(':path');
    this.grpcEncoding = this.get('grpc-encoding');
    this.grpcTimeout = this.get('grpc-timeout');
    const { grpcTimeout, grpcEncoding } = this;
    const isWhole = !isTooLarge && this.fault === undefined;
    this.refusal = isWhole
      ? refusalOf({
          method: this.get(':method'),
          contentType: this.get('content-type'),
          grpcTimeout,
          grpcEncoding,
          fields,
        })
      : undefined;
  }

  get(name: string): string | undefined {
    const fields = this.#fields;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }

  /** As trailers: no pseudo-header fields. */
  get isValidTrailer(): boolean {
    return !this.isTooLarge && this.#fields.every((name, i) => i % 2 === 1 || !name.startsWith(':'));
  }
}

function findFault(fields: readonly string[]): string | undefined {
  const pseudo = new Set<string>();
  let isRegular = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    const value = fields[i + 1] as string;
    if (name.startsWith(':')) {
      if (isRegular) return 'a pseudo-header field after a regular one';
      if (pseudo.has(name)) return `two fields ${name}`;
      pseudo.add(name);
    } else {
      isRegular = true;
      const fault = regularFault(name, value);
      if (fault !== undefined) return fault;
    }
  }
  return pseudoFault(pseudo, fields);
}

function regularFault(name: string, value: string): string | undefined {
  if (name === '' || UPPER_CASE.test(name)) return `a field named ${JSON.stringify(name)}`;
  if (CONNECTION_SPECIFIC.has(name)) return `the connection-specific field ${name}`;
  if (hasControlCharacter(value)) return `a control character in ${name}`;
  if (name === 'te' && value !== 'trailers') return `te: ${value}`;
  return undefined;
}

function pseudoFault(pseudo: ReadonlySet<string>, fields: readonly string[]): string | undefined {
  for (const name of [':method', ':scheme', ':path']) if (!pseudo.has(name)) return `no ${name}`;
  if (pseudo.size > (pseudo.has(':authority') ? 4 : 3)) return 'an unknown pseudo-header field';
  return fields[fields.indexOf(':path') + 1] === '' ? 'an empty :path' : undefined;
}

/** But for the tab. */
function hasControlCharacter(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if ((code < 0x20 && code !== 9) || code === 0x7f) return true;
  }
  return false;
}
