/** --initial-cluster: who founds the cluster. */
import { isIP } from 'node:net';
import type { InitialMember } from '../server/bootstrap.ts';
import { ConfigError, invalidValue } from './config-error.ts';
import type { OptionValues } from './option-values.ts';
import { specOf } from './options.ts';
import { parseUrlAddress, type UrlAddress, UrlProblem } from './url-address.ts';

const DEFAULT_NAME = specOf('name').default;
const DEFAULT_CLUSTER = specOf('initial-cluster').default;

/**
 * The founding members; with discovery, only this one is known yet. With a member that exists already, the options say nothing and are not checked: then it is this member
 * alone if they do not parse. Throws ConfigError.
 */
export function readInitialCluster(values: OptionValues, memberExists: boolean): InitialMember[] {
  const name = values.get('name');
  const advertised = values.get('initial-advertise-peer-urls');
  const own = [{ name, peerURLs: advertised.map((url) => url.text) }];
  if (values.get('discovery-endpoints').length > 0 || values.get('discovery-srv') !== '') return own;
  const text = clusterText(name, advertised, values.get('initial-cluster'));
  try {
    const members = parseInitialCluster(text);
    checkFounders(members, name, advertised, text);
    return members;
  } catch (error) {
    if (memberExists && error instanceof ConfigError) return own;
    throw error;
  }
}

/** The default follows the name; whether it was spelled out makes no difference. */
function clusterText(name: string, advertised: readonly UrlAddress[], given: string): string {
  if (name === DEFAULT_NAME || given !== DEFAULT_CLUSTER) return given;
  return advertised.map((url) => `${name}=${url.text}`).join(',');
}

/** `name=url,name=url`; a name may occur several times. */
export function parseInitialCluster(text: string): InitialMember[] {
  const urlsByName = new Map<string, string[]>();
  for (const item of text.split(',')) {
    if (item === '') continue;
    const [, name = item, url = ''] = /^([^=]*)=(.*)$/s.exec(item) ?? [];
    urlsByName.set(name, [...(urlsByName.get(name) ?? []), peerUrl(url, item, text)]);
  }
  return Array.from(urlsByName, ([name, urls]) => ({ name, peerURLs: [...new Set(urls)].sort() }));
}

function peerUrl(url: string, item: string, text: string): string {
  try {
    return parseUrlAddress(url).text;
  } catch (error) {
    if (!(error instanceof UrlProblem)) throw error;
    throw invalid(text, `${JSON.stringify(item)} is not name=url: ${error.message}`);
  }
}

function checkFounders(
  members: readonly InitialMember[],
  name: string,
  advertised: readonly UrlAddress[],
  text: string,
): void {
  const own = members.find((member) => member.name === name);
  if (own === undefined) throw invalid(text, `it does not contain this member's --name=${name}`);
  const advertisedText = advertised.map((url) => url.text).join(',');
  if (own.peerURLs.join(',') !== advertisedText && !mayBeSame(own.peerURLs, advertised)) {
    throw invalid(text, `the URLs of ${name} differ from --initial-advertise-peer-urls=${advertisedText}`);
  }
  const urls = members.flatMap((member) => member.peerURLs);
  const repeated = urls.find((url, index) => urls.indexOf(url) !== index);
  if (repeated !== undefined) throw invalid(text, `${repeated} occurs twice`);
}

/** Once their names are looked up, which is done when the cluster is founded. */
function mayBeSame(listed: readonly string[], advertised: readonly UrlAddress[]): boolean {
  if (listed.length !== advertised.length) return false;
  return [...listed.map(parseUrlAddress), ...advertised].some(
    (url) => url.kind === 'tcp' && url.host !== 'localhost' && isIP(url.host) === 0,
  );
}

function invalid(text: string, problem: string): ConfigError {
  return invalidValue('flag --initial-cluster', text, problem);
}
