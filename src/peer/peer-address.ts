/** Where a peer URL leads. */

export type PeerAddress =
  | { readonly url: string; readonly secure: boolean; readonly host: string; readonly port: number }
  /** A unix socket. */
  | { readonly url: string; readonly secure: boolean; readonly path: string };

const SCHEME = /^(https?|unixs?):\/\/(.+)$/;
const HOST_PORT = /^(?:\[([0-9a-fA-F:.]+(?:%[^\s\]]+)?)\]|([^\s/:?#@[\]]+)):(\d{1,5})$/;

/** undefined if it is no peer URL (etcd-behaviour §2.9). */
export function parsePeerAddress(url: string): PeerAddress | undefined {
  const [, scheme, rest] = SCHEME.exec(url) ?? [];
  if (scheme === undefined || rest === undefined) return undefined;
  const secure = scheme.endsWith('s');
  if (scheme.startsWith('unix')) return { url, secure, path: rest };
  const [, v6, name, digits] = HOST_PORT.exec(rest) ?? [];
  // A URL writes the sign in front of a zone as %25.
  const host = v6?.replace('%25', '%') ?? name;
  const port = Number(digits);
  if (host === undefined || port > 65_535) return undefined;
  return { url, secure, host, port };
}
