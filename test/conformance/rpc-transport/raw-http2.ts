/** Node's HTTP/2 client, for what a gRPC client hides: headers, trailers, frames of chosen content. */

import http2 from 'node:http2';

export interface RawAnswer {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
  readonly body: Buffer;
  readonly rstCode: number;
}

export function grpcFrame(message: Uint8Array, isCompressed = false): Buffer {
  const out = Buffer.alloc(5 + message.length);
  out[0] = isCompressed ? 1 : 0;
  out.writeUInt32BE(message.length, 1);
  out.set(message, 5);
  return out;
}

export function connect(port: number): Promise<http2.ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.once('error', reject);
    session.once('remoteSettings', () => {
      session.off('error', reject);
      session.on('error', () => {});
      resolve(session);
    });
  });
}

export function openCall(
  session: http2.ClientHttp2Session,
  path: string,
  headers: http2.OutgoingHttpHeaders = {},
): http2.ClientHttp2Stream {
  return session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...headers,
  });
}

export function answerOf(stream: http2.ClientHttp2Stream): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let headers: http2.IncomingHttpHeaders = {};
    let trailers: http2.IncomingHttpHeaders | undefined;
    const chunks: Buffer[] = [];
    stream.on('response', (received) => (headers = received));
    stream.on('trailers', (received) => (trailers = received));
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.on('error', () => {});
    stream.on('close', () =>
      resolve({ headers, trailers, body: Buffer.concat(chunks), rstCode: stream.rstCode ?? -1 }),
    );
  });
}

export function post(
  session: http2.ClientHttp2Session,
  path: string,
  body: Uint8Array,
  headers: http2.OutgoingHttpHeaders = {},
): Promise<RawAnswer> {
  const stream = openCall(session, path, headers);
  const answer = answerOf(stream);
  stream.end(body);
  return answer;
}
