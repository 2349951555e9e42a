/**
 * Distributed tracing (etcd-behaviour §6.4): a span per gRPC call, as etcd's instrumentation names and describes it, sent to an
 * OpenTelemetry collector in batches. Fits the RPC dispatcher's tracing port. Loads much: to be imported only where it is on.
 *
 * Nothing waits for the collector: while it does not answer, spans beyond QUEUE_SPANS_MAX are dropped.
 */
import {
  createTraceState,
  diag,
  DiagLogLevel,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import { credentials } from '@grpc/grpc-js';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-grpc';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { Code } from '../base/etcd-error.ts';
import type { Logger } from '../ports/logger.ts';

export interface TracingOptions {
  /** `host:port` of the collector; spoken to without TLS. */
  readonly address: string;
  readonly serviceName: string;
  /** Empty: none. */
  readonly instanceId: string;
  /** Of calls that do not say themselves whether they belong to a trace. */
  readonly samplesPerMillion: number;
}

const MILLION = 1_000_000;
const QUEUE_SPANS_MAX = 2048;
const BATCH_SPANS_MAX = 512;
const BATCH_DELAY_MS = 5000;
const EXPORT_TIMEOUT_MS = 10_000;
/** When the server stops, what is queued gets this long to reach the collector: the process has to be gone soon. */
const STOP_MS = 500;
/** Version, trace id, parent's span id, flags; later versions may append more. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;
/** Of which the server is to blame; the others end a span without a status. */
const SERVER_FAULTS: ReadonlySet<Code> = new Set([
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Unimplemented,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
]);

interface Headers {
  get(name: string): string | undefined;
}

export class CallTracer {
  readonly #provider: TracerProvider;
  readonly #tracer: Tracer;
  /** No call begins a trace by itself. */
  readonly #onlyWithParent: boolean;

  constructor({ address, serviceName, instanceId, samplesPerMillion }: TracingOptions, logger: Logger) {
    logExports(logger);
    const exporter = new OTLPTraceExporter({
      url: `http://${address}`,
      credentials: credentials.createInsecure(),
      timeoutMillis: EXPORT_TIMEOUT_MS,
    });
    const root =
      samplesPerMillion === 0 ? new AlwaysOffSampler() : new TraceIdRatioBasedSampler(samplesPerMillion / MILLION);
    this.#provider = new TracerProvider({
      resource: resourceFromAttributes({
        'service.name': serviceName,
        ...(instanceId !== '' && { 'service.instance.id': instanceId }),
      }),
      sampler: new ParentBasedSampler({ root }),
      spanProcessors: [
        new BatchSpanProcessor({
          exporter,
          maxQueueSize: QUEUE_SPANS_MAX,
          maxExportBatchSize: BATCH_SPANS_MAX,
          scheduledDelayMillis: BATCH_DELAY_MS,
          exportTimeoutMillis: EXPORT_TIMEOUT_MS,
        }),
      ],
    });
    this.#tracer = this.#provider.getTracer('quorate');
    this.#onlyWithParent = samplesPerMillion === 0;
  }

  start(path: string, metadata: Headers, peer: { readonly address: string }): CallSpan | undefined {
    const traceparent = metadata.get('traceparent');
    if (traceparent === undefined && this.#onlyWithParent) return undefined;
    const parent = traceparent === undefined ? ROOT_CONTEXT : parentContext(traceparent, metadata.get('tracestate'));
    const name = path.slice(1);
    const span = this.#tracer.startSpan(
      name,
      { kind: SpanKind.SERVER, attributes: attributesOf(name, peer.address) },
      parent,
    );
    return span.isRecording() ? new CallSpan(span) : undefined;
  }

  /** Resolves when what is queued was sent, at the latest after that time. */
  async stop(graceMs = STOP_MS): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, graceMs)));
    await Promise.race([this.#provider.shutdown().catch(() => {}), over]);
    clearTimeout(timer);
  }
}

export class CallSpan {
  readonly #span: Span;

  constructor(span: Span) {
    this.#span = span;
  }

  end(code: Code, message: string): void {
    this.#span.setAttribute('rpc.grpc.status_code', code);
    if (SERVER_FAULTS.has(code)) this.#span.setStatus({ code: SpanStatusCode.ERROR, message });
    this.#span.end();
  }
}

function attributesOf(name: string, address: string): Attributes {
  const slash = name.lastIndexOf('/');
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  return {
    'rpc.system': 'grpc',
    'rpc.service': name.slice(0, slash),
    'rpc.method': name.slice(slash + 1),
    ...(colon > 0 && {
      'net.sock.peer.addr': address.slice(0, colon).replace(/^\[|\]$/g, ''),
      'net.sock.peer.port': port,
    }),
  };
}

/** W3C's headers. What does not parse counts as absent. */
function parentContext(traceparent: string, tracestate: string | undefined): Context {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const traceFlags = Number.parseInt(flags ?? '00', 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags,
    isRemote: true,
    ...(tracestate !== undefined && { traceState: createTraceState(tracestate) }),
  });
}

/** The library reports exports that fail in one place for the whole process. */
function logExports(logger: Logger): void {
  const warn = (message: string): void => logger.warn('distributed tracing', { error: message });
  diag.setLogger(
    { error: warn, warn, info: () => {}, debug: () => {}, verbose: () => {} },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
}
