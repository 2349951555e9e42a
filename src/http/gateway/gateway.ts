/**
 * The JSON gateway (etcd-behaviour §5.3): gRPC methods as POST requests below /v3/. A call is made where calls of the wire are
 * made, so whatever holds for those holds here: checks, limits, deadlines, metrics.
 */
import { JSON_METHODS } from '../../gen/json-schema.ts';
import { ALL_SERVICES } from '../../gen/services.ts';
import type { HeldBytes } from '../../server/held-bytes.ts';
import { HeldByRequest } from '../held-by-request.ts';
import { goJson, type HttpRequest, type HttpResponse } from '../http-message.ts';
import { GatewayCall } from './gateway-call.ts';
import { GrowingBuffer } from './growing-buffer.ts';
import { JsonScanner, JsonSyntaxError } from './json-scanner.ts';
import { GATEWAY_PATHS } from './paths.ts';
import type { GatewayCalls, GatewayReceiver } from './ports.ts';
import { decodeRequest, RequestError } from './request-decoder.ts';
import { ResponsePrinter, type Turns } from './response-printer.ts';
import { messageSchema, type MessageSchema } from './schema.ts';
import {
  httpStatusOf,
  InvalidArgument,
  NotFound,
  ResourceExhausted,
  StatusError,
  Unauthenticated,
  Unimplemented,
  type Status,
} from './status.ts';

const PREFIX = '/v3/';
const JSON_TYPE = { 'Content-Type': 'application/json' };
/** What etcd's gateway hands on of the headers that it is answered with. */
const OK_HEADERS = { ...JSON_TYPE, 'Grpc-Metadata-Content-Type': 'application/grpc' };
/** Base64 makes a third more of a message; the rest is for names, spaces and escapes. */
const BODY_FACTOR = 2;
const BODY_OVERHEAD_BYTES = 64 * 1024;
/** Bodies beyond it take their time to decode. */
const LARGE_BODY_BYTES = 64 * 1024;
/** Answers up to this length are sent in one piece. */
const SHORT_ANSWER_CHARS = 64 * 1024;
/** How long printing may hold up others. */
const TURN_MS = 5;

/** With a space after each comma, as some builds of etcd and not others: protobuf for Go promises nothing about spaces. */
const unaryPrinter = new ResponsePrinter({ separator: ', ', quote: (text) => JSON.stringify(text) });
/** Results of streams are set once more by Go's encoder: without spaces, and with markup escaped. */
const streamPrinter = new ResponsePrinter({ separator: ',', quote: goJson });

interface Route {
  readonly path: string;
  readonly request: MessageSchema;
  readonly response: MessageSchema;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

export class JsonGateway {
  readonly #calls: GatewayCalls;
  readonly #routes: ReadonlyMap<string, Route>;
  readonly #bodyBytesMax: number;
  readonly #held: HeldBytes;
  /** Large bodies, one in a turn of the event loop. */
  #decoded: Promise<void> = Promise.resolve();

  constructor(calls: GatewayCalls, held: HeldBytes) {
    this.#calls = calls;
    this.#held = held;
    this.#routes = makeRoutes();
    this.#bodyBytesMax = BODY_FACTOR * calls.maxReceiveBytes + BODY_OVERHEAD_BYTES;
  }

  async handle(request: HttpRequest): Promise<HttpResponse> {
    try {
      const route = this.#routes.get(request.path.slice(PREFIX.length));
      if (route === undefined) throw new StatusError(NotFound, 'Not Found');
      if (request.method !== 'POST') throw new StatusError(Unimplemented, 'Method Not Allowed');
      const call = new GatewayCall(request);
      if (route.requestStream) return await this.#bidi(route, request, call);
      const message = await this.#readRequest(route, request);
      const receiver = call.open(this.#calls, route.path);
      receiver.message(message);
      receiver.halfClosed();
      if (route.responseStream) return await streamAnswer(route, call);
      return await unaryAnswer(route, call, new HeldByRequest(this.#held, () => request.abort()));
    } catch (error) {
      return errorAnswer(statusOf(error));
    }
  }

  async #bidi(route: Route, request: HttpRequest, call: GatewayCall): Promise<HttpResponse> {
    const receiver = call.open(this.#calls, route.path);
    void this.#pump(route, request, call, receiver);
    return streamAnswer(route, call);
  }

  /** Hands the client's messages on until they end, or one cannot be read: then no more are taken, as if they had ended. */
  async #pump(route: Route, request: HttpRequest, call: GatewayCall, receiver: GatewayReceiver): Promise<void> {
    const scanner = new JsonScanner(this.#bodyBytesMax);
    const take = async (json: Buffer): Promise<void> => {
      const message = this.#decode(route, json);
      await call.readable();
      receiver.message(message);
    };
    try {
      for await (const chunk of request.body) {
        for (const json of scanner.push(chunk)) await take(json);
        if (call.status !== undefined) return;
      }
      const last = scanner.end();
      if (last !== undefined) await take(last);
    } catch {
      // What was wrong with it is not told: the answers to the messages before go on.
    }
    if (call.status === undefined) receiver.halfClosed();
  }

  /** The one message of a request without a stream: the first value in the body; none at all stands for an empty message. */
  async #readRequest(route: Route, request: HttpRequest): Promise<Uint8Array> {
    const body = new GrowingBuffer();
    const held = new HeldByRequest(this.#held, () => request.abort());
    try {
      for await (const chunk of request.body) {
        const before = body.capacity;
        body.push(chunk);
        if (body.length > this.#bodyBytesMax) throw tooLarge(body.length, this.#calls.maxReceiveBytes);
        held.changed(body.capacity - before);
      }
      if (body.length > LARGE_BODY_BYTES) await this.#turn();
      const scanner = new JsonScanner(this.#bodyBytesMax);
      for (const json of scanner.push(body.bytes)) return this.#decode(route, json);
      const last = scanner.end();
      return last === undefined ? new Uint8Array() : this.#decode(route, last);
    } finally {
      held.over();
    }
  }

  #turn(): Promise<void> {
    this.#decoded = this.#decoded.then(() => new Promise((resolve) => setImmediate(resolve)));
    return this.#decoded;
  }

  #decode(route: Route, json: Buffer): Uint8Array {
    const message = decodeRequest(route.request, json);
    const { maxReceiveBytes } = this.#calls;
    if (message.length > maxReceiveBytes) throw tooLarge(message.length, maxReceiveBytes);
    return message;
  }
}

function makeRoutes(): Map<string, Route> {
  const streams = new Map(
    ALL_SERVICES.flatMap((service) =>
      Object.values(service.methods).map(({ path, requestStream, responseStream }) => [
        path as string,
        { requestStream: requestStream as boolean, responseStream: responseStream as boolean },
      ]),
    ),
  );
  return new Map(
    Object.entries(GATEWAY_PATHS).map(([place, path]) => {
      const [request, response] = JSON_METHODS[path] ?? [];
      const kind = streams.get(path);
      if (request === undefined || response === undefined || kind === undefined) throw new Error(`no method ${path}`);
      return [place, { path, request: messageSchema(request), response: messageSchema(response), ...kind }];
    }),
  );
}

async function unaryAnswer(route: Route, call: GatewayCall, held: HeldByRequest): Promise<HttpResponse> {
  let body: HttpResponse['body'] | undefined;
  try {
    const message = await call.next();
    if (message === undefined) return errorAnswer(call.status ?? UNKNOWN);
    held.changed(message.length);
    const pieces = await unaryPrinter.printInTurns(route.response, message, new EventLoopTurns());
    const chars = pieces.reduce((sum, piece) => sum + piece.length, 0);
    body = chars <= SHORT_ANSWER_CHARS ? pieces.join('') : inChunks(pieces, held);
    held.changed(chars - message.length);
    return { status: 200, headers: OK_HEADERS, body };
  } finally {
    if (typeof body !== 'object') held.over();
  }
}

/** Comes with the first message, or with the end where there is none. */
async function streamAnswer(route: Route, call: GatewayCall): Promise<HttpResponse> {
  const first = await call.next();
  if (first !== undefined) return { status: 200, headers: OK_HEADERS, body: results(route, call, first) };
  const status = call.status ?? UNKNOWN;
  if (status.code === 0) return { status: 200, headers: {}, body: nothing() };
  return { ...headOf(status), body: only(errorLine(status)) };
}

/** A line for each message, and one for an error at the end. */
async function* results(route: Route, call: GatewayCall, first: Uint8Array): AsyncGenerator<string> {
  try {
    for (let message: Uint8Array | undefined = first; message !== undefined; message = await call.next()) {
      yield `{"result":${streamPrinter.print(route.response, message)}}\n`;
    }
    const { status } = call;
    if (status !== undefined && status.code !== 0) yield errorLine(status);
  } finally {
    call.cancel();
  }
}

async function* nothing(): AsyncGenerator<string> {}

async function* only(text: string): AsyncGenerator<string> {
  yield text;
}

async function* inChunks(pieces: readonly string[], held: HeldByRequest): AsyncGenerator<string> {
  try {
    let chunk = '';
    for (const piece of pieces) {
      chunk += piece;
      if (chunk.length < SHORT_ANSWER_CHARS) continue;
      yield chunk;
      held.changed(-chunk.length);
      chunk = '';
    }
    yield chunk;
  } finally {
    held.over();
  }
}

class EventLoopTurns implements Turns {
  #beganMs = performance.now();

  isOver(): boolean {
    return performance.now() - this.#beganMs > TURN_MS;
  }

  async next(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#beganMs = performance.now();
  }
}

const GONE: Status = { code: 1, message: 'context canceled' };
const UNKNOWN: Status = { code: 2, message: 'no answer' };

function statusOf(error: unknown): Status {
  if (error instanceof StatusError) return error.status;
  if (error instanceof JsonSyntaxError || error instanceof RequestError) {
    return { code: InvalidArgument, message: error.message };
  }
  // The connection broke within the body: nobody will see the answer.
  if (error instanceof Error && 'code' in error && error.code === 'ECONNRESET') return GONE;
  throw error;
}

function errorAnswer(status: Status): HttpResponse {
  return { ...headOf(status), body: `{"code":${status.code}, "message":${JSON.stringify(status.message)}}` };
}

function errorLine({ code, message }: Status): string {
  return `{"error":{"code":${code},"message":${goJson(message)}}}\n`;
}

function headOf({ code, message }: Status): Pick<HttpResponse, 'status' | 'headers'> {
  const headers = code === Unauthenticated ? { ...JSON_TYPE, 'Www-Authenticate': message } : JSON_TYPE;
  return { status: httpStatusOf(code), headers };
}

function tooLarge(bytes: number, maxBytes: number): StatusError {
  return new StatusError(ResourceExhausted, `grpc: received message larger than max (${bytes} vs. ${maxBytes})`);
}
