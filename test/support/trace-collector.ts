/** An OpenTelemetry collector for one test: takes what is exported to it over gRPC, and keeps the spans. */
import * as grpc from '@grpc/grpc-js';
import protobuf from 'protobufjs';

/** The parts of opentelemetry.proto that are looked at; other fields are skipped. */
const PROTO = `
syntax = "proto3";
message AnyValue { oneof value { string string_value = 1; bool bool_value = 2; int64 int_value = 3; double double_value = 4; } }
message KeyValue { string key = 1; AnyValue value = 2; }
message Resource { repeated KeyValue attributes = 1; }
message Scope { string name = 1; string version = 2; }
message Status { string message = 2; int32 code = 3; }
message Event { string name = 2; repeated KeyValue attributes = 3; }
message Span {
  bytes trace_id = 1; bytes span_id = 2; string trace_state = 3; bytes parent_span_id = 4; string name = 5; int32 kind = 6;
  fixed64 start_time_unix_nano = 7; fixed64 end_time_unix_nano = 8; repeated KeyValue attributes = 9;
  repeated Event events = 11; Status status = 15;
}
message ScopeSpans { Scope scope = 1; repeated Span spans = 2; }
message ResourceSpans { Resource resource = 1; repeated ScopeSpans scope_spans = 2; }
message ExportRequest { repeated ResourceSpans resource_spans = 1; }
`;
const ExportRequest = protobuf.parse(PROTO, { keepCase: false }).root.lookupType('ExportRequest');
const EXPORT = '/opentelemetry.proto.collector.trace.v1.TraceService/Export';

type Attributes = Readonly<Record<string, unknown>>;

export interface CollectedSpan {
  readonly name: string;
  /** In hexadecimal; empty: none. */
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  /** 2: server. */
  readonly kind: number;
  readonly attributes: Attributes;
  readonly status: { readonly code: number; readonly message: string };
  readonly durationMs: number;
  readonly resource: Attributes;
}

interface Decoded {
  resourceSpans: {
    resource?: { attributes?: DecodedAttribute[] };
    scopeSpans: { spans: DecodedSpan[] }[];
  }[];
}
interface DecodedAttribute {
  key: string;
  value?: Record<string, unknown>;
}
interface DecodedSpan {
  name?: string;
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  traceState?: string;
  kind?: number;
  attributes?: DecodedAttribute[];
  status?: { code?: number; message?: string };
  startTimeUnixNano: string;
  endTimeUnixNano: string;
}

export class TraceCollector {
  readonly spans: CollectedSpan[] = [];
  port = 0;
  readonly #server = new grpc.Server();
  /** Exports are taken, and never answered. */
  isStuck = false;

  static async start(): Promise<TraceCollector> {
    const collector = new TraceCollector();
    const identity = (bytes: Buffer): Buffer => bytes;
    const definition = {
      path: EXPORT,
      requestStream: false,
      responseStream: false,
      requestSerialize: identity,
      requestDeserialize: identity,
      responseSerialize: identity,
      responseDeserialize: identity,
    } as const;
    const handler: grpc.handleUnaryCall<Buffer, Buffer> = ({ request }, answer) => {
      if (collector.isStuck) return;
      collector.#take(request);
      answer(null, Buffer.alloc(0));
    };
    collector.#server.addService({ Export: definition }, { Export: handler });
    collector.port = await new Promise<number>((resolve, reject) => {
      collector.#server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) =>
        error === null ? resolve(port) : reject(error),
      );
    });
    return collector;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  named(name: string): CollectedSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  stop(): void {
    this.#server.forceShutdown();
  }

  #take(request: Uint8Array): void {
    const { resourceSpans = [] } = ExportRequest.toObject(ExportRequest.decode(request), {
      bytes: Array,
      longs: String,
    }) as Partial<Decoded>;
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) this.spans.push(collected(span, attributesOf(resource?.attributes)));
      }
    }
  }
}

function collected(span: DecodedSpan, resource: Attributes): CollectedSpan {
  return {
    name: span.name ?? '',
    traceId: hex(span.traceId),
    spanId: hex(span.spanId),
    parentSpanId: hex(span.parentSpanId),
    traceState: span.traceState ?? '',
    kind: span.kind ?? 0,
    attributes: attributesOf(span.attributes),
    status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
    durationMs: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
    resource,
  };
}

function attributesOf(attributes: readonly DecodedAttribute[] = []): Attributes {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, Object.values(value ?? {})[0]]));
}

/** From an array of bytes. */
function hex(bytes: unknown): string {
  return Array.isArray(bytes) ? Buffer.from(bytes as number[]).toString('hex') : '';
}
