/** Answers of the peer port, in the form that etcd's HTTP library gives them. */
import type { IncomingMessage, ServerResponse } from 'node:http';

/** A request is answered with this instead. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** An error: its text and a newline. */
export function answerError(response: ServerResponse, status: number, text: string): void {
  response.setHeader('Content-Type', 'text/plain; charset=utf-8');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  answer(response, status, `${text}\n`);
}

export function answer(response: ServerResponse, status: number, body: string | Uint8Array): void {
  response.statusCode = status;
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
}

export function answerJson(response: ServerResponse, status: number, body: string | Uint8Array): void {
  response.setHeader('Content-Type', 'application/json');
  answer(response, status, body);
}

/** The refusal of a member that was removed: the sender reads it as the end of its membership. */
export function answerRemovedSender(response: ServerResponse): void {
  answerJson(response, 403, '{"message":"cannot process message from removed member"}\n');
}

/** False, and the request answered, unless it has this method. */
export function hasMethod(request: IncomingMessage, response: ServerResponse, method: 'GET' | 'POST'): boolean {
  if (request.method === method) return true;
  response.setHeader('Allow', method);
  answerError(response, 405, 'Method Not Allowed');
  return false;
}
