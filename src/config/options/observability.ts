import type { OptionSpec } from '../option-spec.ts';

export const PROFILING_OPTIONS = [
  {
    name: 'enable-pprof',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: "Serve Node's profiles at /debug/pprof/ of the client URLs.",
  },
  {
    name: 'metrics',
    type: 'string',
    default: 'basic',
    support: 'supported',
    help: 'basic, or extensive for histograms of the gRPC calls too.',
  },
  {
    name: 'listen-metrics-urls',
    type: 'urls',
    default: '',
    support: 'supported',
    help: 'Further URLs to listen on for metrics and health.',
  },
] as const satisfies readonly OptionSpec[];

export const LOGGING_OPTIONS = [
  { name: 'logger', type: 'string', default: 'zap', support: 'supported', help: 'Shape of the log; only zap.' },
  {
    name: 'log-outputs',
    type: 'list',
    default: 'default',
    support: 'supported',
    help: 'Where the log goes: stderr, stdout or files, comma-separated; default is stderr, which systemd passes on to its journal.',
  },
  {
    name: 'log-level',
    type: 'string',
    default: 'info',
    support: 'supported',
    help: 'Lowest level that is logged: debug, info, warn, error, panic or fatal.',
  },
  { name: 'log-format', type: 'string', default: 'json', support: 'supported', help: 'json or console.' },
  {
    name: 'disable-log-sampling',
    type: 'bool',
    default: 'false',
    support: 'noEffect',
    help: 'Log every line of a burst; here none is left out anyway.',
  },
  {
    name: 'enable-log-rotation',
    type: 'bool',
    default: 'false',
    support: 'supported',
    help: 'Rotate the one log file.',
  },
  {
    name: 'log-rotation-config-json',
    type: 'string',
    default: '{"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false}',
    support: 'supported',
    help: 'When to rotate the log file and what to keep: maxsize (megabytes), maxage (days; 0: no limit), maxbackups (0: no limit), localtime, compress (gzip).',
  },
] as const satisfies readonly OptionSpec[];

export const TRACING_OPTIONS = [
  {
    name: 'enable-distributed-tracing',
    type: 'bool',
    default: 'false',
    support: 'supported',
    former: ['experimental-enable-distributed-tracing'],
    help: 'Send OpenTelemetry traces of gRPC calls.',
  },
  {
    name: 'distributed-tracing-address',
    type: 'string',
    default: 'localhost:4317',
    support: 'supported',
    former: ['experimental-distributed-tracing-address'],
    help: 'Collector to send traces to.',
  },
  {
    name: 'distributed-tracing-service-name',
    type: 'string',
    default: 'etcd',
    support: 'supported',
    former: ['experimental-distributed-tracing-service-name'],
    help: 'Service name in traces.',
  },
  {
    name: 'distributed-tracing-instance-id',
    type: 'string',
    default: '',
    support: 'supported',
    former: ['experimental-distributed-tracing-instance-id'],
    help: 'Id of this member in traces.',
  },
  {
    name: 'distributed-tracing-sampling-rate',
    type: 'int',
    default: '0',
    support: 'supported',
    former: ['experimental-distributed-tracing-sampling-rate'],
    help: 'Traces per million requests that do not belong to one already.',
  },
] as const satisfies readonly OptionSpec[];
