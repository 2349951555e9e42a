/** process_*, os_fd_* and a few figures of the runtime, read when asked. */

import fs from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import v8 from 'node:v8';
import type { MetricRegistry } from './metric-registry.ts';

const NS = 1e-9;
const US = 1e-6;
/** Each sample wakes an idle process. */
const EVENT_LOOP_SAMPLE_MS = 50;

/** Where there is no /proc, the figures that need it are 0. */
export function registerProcessMetrics(r: MetricRegistry): void {
  const startedSeconds = Date.now() / 1000 - process.uptime();
  r.counter('process_cpu_seconds_total', 'CPU time used, user and system, in seconds.').collect(() => {
    const { user, system } = process.cpuUsage();
    return (user + system) * US;
  });
  r.gauge('process_resident_memory_bytes', 'Resident memory in bytes.').collect(() => process.memoryUsage.rss());
  r.gauge('process_virtual_memory_bytes', 'Virtual memory in bytes.').collect(virtualMemoryBytes);
  r.gauge('process_virtual_memory_max_bytes', 'Limit of virtual memory in bytes.').collect(virtualMemoryLimit);
  r.counter('process_network_receive_bytes_total', 'Bytes received by the network of this process.').collect(() =>
    networkBytes('InOctets'),
  );
  r.counter('process_network_transmit_bytes_total', 'Bytes sent by the network of this process.').collect(() =>
    networkBytes('OutOctets'),
  );
  r.gauge('process_start_time_seconds', 'Start of the process, Unix time.').collect(() => startedSeconds);
  r.gauge('process_open_fds', 'Open file descriptors.').collect(openDescriptors);
  r.gauge('process_max_fds', 'Limit of open file descriptors.').collect(descriptorLimit);
  r.gauge('os_fd_used', 'Open file descriptors.').collect(openDescriptors);
  r.gauge('os_fd_limit', 'Limit of open file descriptors.').collect(descriptorLimit);
  registerRuntime(r);
}

function registerRuntime(r: MetricRegistry): void {
  const delay = monitorEventLoopDelay({ resolution: EVENT_LOOP_SAMPLE_MS });
  delay.enable();
  let p99Seconds = 0;
  // Families are read in the order of their names: max first, which starts the next interval for both.
  r.gauge('nodejs_eventloop_lag_max_seconds', 'Largest event loop delay since the last scrape.').collect(() => {
    const maxSeconds = delay.count === 0 ? 0 : delay.max * NS;
    p99Seconds = delay.count === 0 ? 0 : delay.percentile(99) * NS;
    delay.reset();
    return maxSeconds;
  });
  r.gauge('nodejs_eventloop_lag_p99_seconds', '99th percentile of the event loop delay since the last scrape.').collect(
    () => p99Seconds,
  );
  r.gauge('nodejs_heap_size_used_bytes', 'JavaScript heap in use.').collect(
    () => v8.getHeapStatistics().used_heap_size,
  );
  r.gauge('nodejs_heap_size_total_bytes', 'JavaScript heap reserved.').collect(
    () => v8.getHeapStatistics().total_heap_size,
  );
  r.gauge('nodejs_external_memory_bytes', 'Memory outside the heap held by it.').collect(
    () => v8.getHeapStatistics().external_memory,
  );
}

function openDescriptors(): number {
  return orZero(() => fs.readdirSync('/proc/self/fd').length);
}

/** How many file descriptors the process may open. */
export function descriptorLimit(): number {
  return orZero(() => {
    const limit = softLimit('Max open files');
    return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit);
  });
}

/** Without a limit, the largest number of 64 bits. */
function virtualMemoryLimit(): number {
  return orZero(() => {
    const limit = softLimit('Max address space');
    return limit === 'unlimited' ? 2 ** 64 : Number(limit);
  });
}

function softLimit(name: string): string {
  const limits = fs.readFileSync('/proc/self/limits', 'latin1').split('\n');
  const line = limits.find((text) => text.startsWith(name)) ?? '';
  return line.slice(name.length).trim().split(/\s+/)[0] ?? '0';
}

/** Of all interfaces of the network namespace that the process is in. */
function networkBytes(column: 'InOctets' | 'OutOctets'): number {
  return orZero(() => {
    const lines = fs.readFileSync('/proc/self/net/netstat', 'latin1').split('\n');
    const [names = '', values = ''] = lines.filter((line) => line.startsWith('IpExt:'));
    return Number(values.split(' ')[names.split(' ').indexOf(column)] ?? 0);
  });
}

function virtualMemoryBytes(): number {
  return orZero(() => {
    const stat = fs.readFileSync('/proc/self/stat', 'latin1');
    // The command name, in parentheses, may hold spaces; the size is the 23rd field, the 21st after it.
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[20] ?? 0);
  });
}

function orZero(read: () => number): number {
  try {
    return read();
  } catch {
    return 0;
  }
}
