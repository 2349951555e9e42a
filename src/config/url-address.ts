/** The URLs of options that say where to listen and what to advertise. */
import { isIP } from 'node:net';

export type UrlAddress = TcpAddress | UnixAddress;

interface AddressBase {
  /** As advertised: the scheme in lower case, the rest as given. */
  readonly text: string;
  /** https or unixs. */
  readonly secure: boolean;
}

export interface TcpAddress extends AddressBase {
  readonly kind: 'tcp';
  /** Without the brackets of an IPv6 address; may be empty. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

export interface UnixAddress extends AddressBase {
  readonly kind: 'unix';
  /** Of the socket; unix://localhost:2379 means a file localhost:2379 in the working directory. */
  readonly path: string;
}

/** Why a text is not such a URL, without the text itself. */
export class UrlProblem extends Error {
  override readonly name = 'UrlProblem';
}

const SCHEME = /^([a-zA-Z][a-zA-Z0-9+.-]*):\/\//;
const HOST_PORT = /^(?:\[([^[\]]*)\]|([^:[\]]*)):(\d*)$/;
const PORT_MAX = 65535;

/** Throws UrlProblem. Spaces around the text are dropped. */
export function parseUrlAddress(given: string): UrlAddress {
  const url = given.trim();
  const scheme = SCHEME.exec(url)?.[1]?.toLowerCase();
  const rest = url.replace(SCHEME, '');
  switch (scheme) {
    case 'http':
    case 'https':
      return parseTcp(scheme, rest);
    case 'unix':
    case 'unixs':
      if (rest === '') throw new UrlProblem('the path of the socket is missing');
      return { kind: 'unix', text: `${scheme}://${rest}`, secure: scheme === 'unixs', path: rest };
    default:
      throw new UrlProblem('it must start with http://, https://, unix:// or unixs://');
  }
}

function parseTcp(scheme: string, rest: string): TcpAddress {
  const [, authority = '', path = ''] = /^([^/?#]*)(.*)$/s.exec(rest) ?? [];
  if (path !== '') throw new UrlProblem('nothing may follow the port, not even a slash');
  const match = HOST_PORT.exec(authority);
  if (match === null || /[\s@%]/.test(authority)) throw new UrlProblem('it must have the form scheme://host:port');
  const port = Number(match[3] === '' ? NaN : match[3]);
  if (!(port <= PORT_MAX)) throw new UrlProblem(`the port must be a number from 0 to ${PORT_MAX}`);
  return {
    kind: 'tcp',
    text: `${scheme}://${authority}`,
    secure: scheme === 'https',
    host: match[1] ?? match[2] ?? '',
    port,
  };
}

/** Comma-separated URLs, sorted, each once; none for an empty text. Throws UrlProblem. */
export function parseUrlList(text: string): UrlAddress[] {
  if (text === '') return [];
  const items = text.split(',');
  const parse = items.length === 1 ? parseUrlAddress : parseItem;
  const byText = new Map(items.map(parse).map((address) => [address.text, address]));
  return [...byText.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
}

/** An error says which one of several it is. */
function parseItem(item: string): UrlAddress {
  try {
    return parseUrlAddress(item);
  } catch (error) {
    if (error instanceof UrlProblem) throw new UrlProblem(`${JSON.stringify(item.trim())}: ${error.message}`);
    throw error;
  }
}

/** The same for URLs that cannot both be listened on by different servers. */
export function placeOf(address: UrlAddress): string {
  return address.kind === 'unix' ? `unix ${address.path}` : `tcp ${address.host} ${address.port}`;
}

/** Whether one can listen there without a name lookup. */
export function isBindable(address: UrlAddress): boolean {
  return address.kind === 'unix' || address.host === 'localhost' || isIP(address.host) !== 0;
}
