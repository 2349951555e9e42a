/** The options about TLS, for clients and for peers: their rules (etcd-behaviour §5.1, §6.3), and the settings they make. */
import { join } from 'node:path';
import type { KeyPairFiles, NamedFile, SelfSigned, TlsSettings, TlsVersion } from '../ports/tls-settings.ts';
import { opensslCiphers } from './cipher-suites.ts';
import { ConfigError, invalidValue } from './config-error.ts';
import type { ConfigWarning } from './config-warning.ts';
import type { OptionValues } from './option-values.ts';
import type { UrlAddress } from './url-address.ts';

/** undefined: nothing on that side has to do with TLS. */
export interface TlsConfig {
  readonly clientTls: TlsSettings | undefined;
  readonly peerTls: TlsSettings | undefined;
}

const VERSIONS: Readonly<Record<string, TlsVersion>> = { 'TLS1.2': 'TLSv1.2', 'TLS1.3': 'TLSv1.3' };

/** Which option holds what, by side. */
const CLIENT = {
  name: 'client',
  cert: 'cert-file',
  key: 'key-file',
  dialCert: 'client-cert-file',
  dialKey: 'client-key-file',
  certAuth: 'client-cert-auth',
  ca: 'trusted-ca-file',
  crl: 'client-crl-file',
  allowedHostname: 'client-cert-allowed-hostname',
  auto: 'auto-tls',
} as const;

const PEER = {
  name: 'peer',
  cert: 'peer-cert-file',
  key: 'peer-key-file',
  dialCert: 'peer-client-cert-file',
  dialKey: 'peer-client-key-file',
  certAuth: 'peer-client-cert-auth',
  ca: 'peer-trusted-ca-file',
  crl: 'peer-crl-file',
  allowedHostname: 'peer-cert-allowed-hostname',
  auto: 'peer-auto-tls',
} as const;

type Side = typeof CLIENT | typeof PEER;
type FileOption = Side['cert' | 'key' | 'dialCert' | 'dialKey' | 'ca' | 'crl'];

/** Throws ConfigError. */
export function readTlsConfig(values: OptionValues, dataDir: string): TlsConfig {
  const protocol = readProtocol(values);
  const clients = clientUrls(values);
  const secureClient = [...clients, ...values.get('listen-metrics-urls')].find(({ secure }) => secure);
  const peers = values.get('listen-peer-urls');
  const securePeer = peers.find(({ secure }) => secure);
  checkAllowed(values);
  const clientTls =
    secureClient === undefined ? undefined : settingsOf(values, CLIENT, secureClient, clients, dataDir, protocol);
  const dialsPeers = securePeer !== undefined || usesPeerTls(values);
  const peerTls = dialsPeers ? settingsOf(values, PEER, securePeer, peers, dataDir, protocol) : undefined;
  return { clientTls, peerTls };
}

/** What is set and means nothing. */
export function tlsWarnings(values: OptionValues): ConfigWarning[] {
  return [
    ...sideWarnings(values, CLIENT, clientUrls(values)),
    ...sideWarnings(values, PEER, values.get('listen-peer-urls')),
  ];
}

function sideWarnings(values: OptionValues, side: Side, urls: readonly UrlAddress[]): ConfigWarning[] {
  const warnings: ConfigWarning[] = [];
  const hasFiles = values.get(side.cert) !== '' || values.get(side.key) !== '';
  const isAuto = values.get(side.auto);
  if (isAuto && hasFiles) {
    warnings.push({ message: `ignoring ${side.name} auto TLS since certs given`, fields: { flag: `--${side.auto}` } });
  }
  if (isAuto && !hasFiles) {
    for (const name of [side.certAuth, side.ca, side.crl, side.allowedHostname] as const) {
      if (!values.isSet(name) || values.text(name) === '' || values.text(name) === 'false') continue;
      const message = `ignoring a flag since --${side.auto} makes a certificate that nobody can verify`;
      warnings.push({ message, fields: { flag: `--${name}` } });
    }
  }
  for (const { text } of urls.filter(({ secure }) => !secure)) {
    const fields = { [`${side.name}-url`]: text };
    if (hasFiles) {
      warnings.push({ message: 'scheme is http or unix while key and cert files are present; ignoring them', fields });
    }
    if (values.get(side.certAuth)) {
      const message = `scheme is http or unix while --${side.certAuth} is enabled; ignoring it for this URL`;
      warnings.push({ message, fields });
    }
  }
  return warnings;
}

type Protocol = Pick<TlsSettings, 'versionMin' | 'versionMax' | 'ciphers'>;

function readProtocol(values: OptionValues): Protocol {
  const version = (name: 'tls-min-version' | 'tls-max-version'): TlsVersion | undefined => {
    const text = values.get(name);
    if (text === '') return undefined;
    const found = VERSIONS[text];
    if (found === undefined) throw invalid(name, text, 'it must be one of TLS1.2, TLS1.3');
    return found;
  };
  const versionMin = version('tls-min-version') ?? 'TLSv1.2';
  const versionMax = version('tls-max-version');
  if (versionMax !== undefined && versionMin > versionMax) {
    const max = values.get('tls-max-version');
    throw invalid('tls-min-version', values.get('tls-min-version'), `it is greater than --tls-max-version=${max}`);
  }
  const names = values.get('cipher-suites');
  if (names.length === 0) return { versionMin, versionMax, ciphers: undefined };
  const text = names.join(',');
  if (versionMin === 'TLSv1.3') {
    throw invalid('cipher-suites', text, 'cipher suites cannot be configured when only TLS1.3 is enabled');
  }
  const ciphers = opensslCiphers(names, (name, isGone) => {
    const problem = isGone ? 'is not offered any more' : 'is no TLS cipher suite';
    throw invalid('cipher-suites', text, `${JSON.stringify(name)} ${problem}`);
  });
  return { versionMin, versionMax, ciphers };
}

function checkAllowed(values: OptionValues): void {
  const names = values.get('peer-cert-allowed-cn');
  const hosts = values.get('peer-cert-allowed-hostname');
  if (names.length === 0 || hosts.length === 0) return;
  throw new ConfigError(
    `--peer-cert-allowed-cn=${names.join(',')} and --peer-cert-allowed-hostname=${hosts.join(',')} are mutually exclusive`,
  );
}

function usesPeerTls(values: OptionValues): boolean {
  const isGiven = (name: FileOption): boolean => values.get(name) !== '';
  const isAdvertised = values.get('initial-advertise-peer-urls').some(({ secure }) => secure);
  const isFounded = /=(?:https|unixs):/.test(values.get('initial-cluster'));
  const { cert, key, ca, auto } = PEER;
  return [cert, key, ca].some(isGiven) || values.get(auto) || isAdvertised || isFounded;
}

/** `secureUrl`: one that is to be listened on with TLS. */
function settingsOf(
  values: OptionValues,
  side: Side,
  secureUrl: UrlAddress | undefined,
  urls: readonly UrlAddress[],
  dataDir: string,
  protocol: Protocol,
): TlsSettings {
  const given = pairOf(values, side.cert, side.key);
  const selfSigned = given === undefined && values.get(side.auto) ? selfSignedOf(values, side, urls) : undefined;
  if (selfSigned !== undefined) {
    const made = madePair(side, dataDir);
    return { ...protocol, ...OPEN, own: made, dialing: made, selfSigned };
  }
  if (given === undefined && secureUrl !== undefined) {
    throw new ConfigError(
      `TLS key/cert (--${side.cert}, --${side.key}) must be provided for ${side.name} url ${secureUrl.text} with HTTPS scheme`,
    );
  }
  const authorities = fileOf(values, side.ca);
  return {
    ...protocol,
    own: given,
    dialing: pairOf(values, side.dialCert, side.dialKey) ?? given,
    selfSigned: undefined,
    authorities,
    revoked: fileOf(values, side.crl),
    requiresCertificate: authorities !== undefined || values.get(side.certAuth),
    allowedCommonNames: side === PEER ? values.get('peer-cert-allowed-cn') : [],
    allowedHostnames: values.get(side.allowedHostname),
    dialServerName: side === PEER ? serverNameOf(values, authorities) : undefined,
    checksAddress: side === PEER && !values.get('peer-skip-client-san-verification'),
  };
}

/** A certificate that is made at the start comes alone, as in etcd: nobody's is verified. */
const OPEN = {
  authorities: undefined,
  revoked: undefined,
  requiresCertificate: false,
  allowedCommonNames: [],
  allowedHostnames: [],
  dialServerName: undefined,
  checksAddress: false,
} as const;

/** Who founds the cluster comes from the domain's name servers: without an authority of its own, its members prove the domain. */
function serverNameOf(values: OptionValues, authorities: NamedFile | undefined): string | undefined {
  const domain = values.get('discovery-srv');
  return domain === '' || authorities !== undefined ? undefined : domain;
}

function selfSignedOf(values: OptionValues, side: Side, urls: readonly UrlAddress[]): SelfSigned {
  const validityYears = values.get('self-signed-cert-validity');
  if (validityYears === 0) throw invalid('self-signed-cert-validity', '0', 'it must be greater than 0');
  const hosts = urls.flatMap((url) => (url.kind === 'tcp' ? [url.host] : []));
  return { hosts: hosts.length === 0 ? ['localhost'] : hosts, validityYears, isForDialing: side === PEER };
}

function madePair(side: Side, dataDir: string): KeyPairFiles {
  const flag = `--${side.auto}`;
  const dir = join(dataDir, 'fixtures', side.name);
  return { certificate: { flag, path: join(dir, 'cert.pem') }, key: { flag, path: join(dir, 'key.pem') } };
}

function pairOf(values: OptionValues, cert: FileOption, key: FileOption): KeyPairFiles | undefined {
  const certificate = fileOf(values, cert);
  const keyFile = fileOf(values, key);
  if (certificate !== undefined && keyFile !== undefined) return { certificate, key: keyFile };
  if (certificate === undefined && keyFile === undefined) return undefined;
  const shown = `--${cert}=${values.get(cert)}, --${key}=${values.get(key)}`;
  throw new ConfigError(`--${cert} and --${key} must both be present or both absent (${shown})`);
}

function fileOf(values: OptionValues, name: FileOption): NamedFile | undefined {
  const path = values.get(name);
  return path === '' ? undefined : { flag: `--${name}`, path };
}

function clientUrls(values: OptionValues): readonly UrlAddress[] {
  return [...values.get('listen-client-urls'), ...values.get('listen-client-http-urls')];
}

function invalid(name: string, value: string, problem: string): ConfigError {
  return invalidValue(`flag --${name}`, value, problem);
}
