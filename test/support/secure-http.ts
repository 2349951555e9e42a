import { request, type RequestOptions } from 'node:https';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

export interface SecureAnswer {
  readonly status: number;
  readonly body: string;
  /** By its IANA name. */
  readonly cipher: string;
  /** Of the server's certificate. */
  readonly serial: string;
}

/** One GET with TLS on a connection of its own. Rejects if the connection is refused, at whatever stage. */
export function secureGet(
  url: string,
  options: RequestOptions & Pick<ConnectionOptions, 'ALPNProtocols'> = {},
): Promise<SecureAnswer> {
  return new Promise((resolve, reject) => {
    const call = request(url, { agent: false, timeout: 15_000, ...options }, (response) => {
      const socket = response.socket as TLSSocket;
      const { standardName: cipher } = socket.getCipher();
      const serial = socket.getPeerX509Certificate()?.serialNumber.toLowerCase() ?? '';
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body += chunk));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body, cipher, serial }));
    });
    call.on('timeout', () => call.destroy(new Error('no answer in time')));
    call.on('error', reject);
    call.end();
  });
}
