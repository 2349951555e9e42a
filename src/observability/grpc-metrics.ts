/** grpc_server_*, the client traffic counters and etcd_server_client_requests_total; fits the RPC dispatcher's metrics port. */

import { Code } from '../base/etcd-error.ts';
import type { CounterCell, HistogramCell } from './instruments.ts';
import type { Family, MetricRegistry } from './metric-registry.ts';

const METHOD_LABELS = ['grpc_type', 'grpc_service', 'grpc_method'];
const HANDLING_BUCKETS = new Float64Array([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]);
/** Names of the status codes, by number. */
const CODE_NAMES = Object.entries(Code)
  .sort(([, a], [, b]) => a - b)
  .map(([name]) => name);
/** Clients choose the version they claim; a few are enough to tell. */
const CLIENT_VERSIONS_MAX = 64;

export class GrpcMetrics {
  readonly #started: Family<CounterCell>;
  readonly #received: Family<CounterCell>;
  readonly #sent: Family<CounterCell>;
  readonly #handled: Family<CounterCell>;
  readonly #handling: Family<HistogramCell> | undefined;
  readonly #bytesReceived: CounterCell;
  readonly #bytesSent: CounterCell;
  readonly #clientRequests: Family<CounterCell>;
  readonly #unaryByVersion = new Map<string, CounterCell>();
  readonly #streamByVersion = new Map<string, CounterCell>();

  /** `isExtensive`: --metrics=extensive, adds the latency histogram per method. */
  constructor(registry: MetricRegistry, isExtensive: boolean) {
    const counters = (name: string, help: string): Family<CounterCell> => registry.counters(name, help, METHOD_LABELS);
    this.#started = counters('grpc_server_started_total', 'RPCs started on the server.');
    this.#received = counters('grpc_server_msg_received_total', 'RPC messages received from clients.');
    this.#sent = counters('grpc_server_msg_sent_total', 'RPC messages sent to clients.');
    this.#handled = registry.counters('grpc_server_handled_total', 'RPCs completed on the server, by status code.', [
      ...METHOD_LABELS,
      'grpc_code',
    ]);
    this.#handling = isExtensive
      ? registry.histograms(
          'grpc_server_handling_seconds',
          'Time from start to end of RPCs.',
          HANDLING_BUCKETS,
          METHOD_LABELS,
        )
      : undefined;
    this.#bytesReceived = registry.counter(
      'etcd_network_client_grpc_received_bytes_total',
      'Bytes of messages from gRPC clients.',
    );
    this.#bytesSent = registry.counter(
      'etcd_network_client_grpc_sent_bytes_total',
      'Bytes of messages to gRPC clients.',
    );
    this.#clientRequests = registry.counters('etcd_server_client_requests_total', 'Client requests by API version.', [
      'type',
      'client_api_version',
    ]);
  }

  method(kind: string, service: string, method: string): GrpcMethodMetrics {
    const labels = [kind, service, method] as const;
    return new GrpcMethodMetrics({
      startedCalls: this.#started.with(...labels),
      messagesReceived: this.#received.with(...labels),
      messagesSent: this.#sent.with(...labels),
      handledByCode: CODE_NAMES.map((code) => this.#handled.with(...labels, code)),
      handling: this.#handling?.with(...labels),
      bytesReceived: this.#bytesReceived,
      bytesSent: this.#bytesSent,
    });
  }

  clientRequest(type: 'unary' | 'stream', clientApiVersion: string): void {
    const byVersion = type === 'unary' ? this.#unaryByVersion : this.#streamByVersion;
    let cell = byVersion.get(clientApiVersion);
    if (cell === undefined) {
      const isRoom = byVersion.size < CLIENT_VERSIONS_MAX;
      cell = this.#clientRequests.with(type, isRoom ? clientApiVersion : 'other');
      if (isRoom) byVersion.set(clientApiVersion, cell);
    }
    cell.value++;
  }
}

interface MethodCells {
  readonly startedCalls: CounterCell;
  readonly messagesReceived: CounterCell;
  readonly messagesSent: CounterCell;
  readonly handledByCode: readonly CounterCell[];
  readonly handling: HistogramCell | undefined;
  readonly bytesReceived: CounterCell;
  readonly bytesSent: CounterCell;
}

export class GrpcMethodMetrics {
  readonly #cells: MethodCells;

  constructor(cells: MethodCells) {
    this.#cells = cells;
  }

  started(): void {
    this.#cells.startedCalls.value++;
  }

  messageReceived(bytes: number): void {
    this.#cells.messagesReceived.value++;
    this.#cells.bytesReceived.value += bytes;
  }

  messageSent(bytes: number): void {
    this.#cells.messagesSent.value++;
    this.#cells.bytesSent.value += bytes;
  }

  handled(code: Code, seconds: number): void {
    const cell = this.#cells.handledByCode[code];
    if (cell !== undefined) cell.value++;
    this.#cells.handling?.observe(seconds);
  }
}
