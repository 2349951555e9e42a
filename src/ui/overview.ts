/** The page one sees first: how the cluster is, and how it was in the last minutes. */
import { Chart, WINDOW_SECONDS, type ChartOptions, type Line } from './chart.ts';
import type { ClusterView } from './cluster-view.ts';
import { el, setText } from './dom.ts';
import { bytes, count, duration, NONE, percent, seconds, short } from './format.ts';
import { History } from './history.ts';
import { MembersTable, nameOf } from './members-table.ts';
import { figures, lagOf, REQUEST_KINDS, roundTripOf, sizeOf, type Reading } from './readings.ts';
import { total } from './metrics-text.ts';

export const POLL_SECONDS = 2;
const COLOURS = 6;
/** Lines in one chart that can still be told apart. */
const LINES_MAX = 9;

const TILES = ['Leader', 'Term', 'Revision', 'Requests', 'Latency p99', 'Watchers', 'Memory', 'Uptime'] as const;
type Tile = (typeof TILES)[number];

export class Overview {
  readonly element: HTMLElement;
  readonly #history = new History(WINDOW_SECONDS / POLL_SECONDS);
  readonly #tiles = new Map<Tile, { readonly value: HTMLElement; readonly note: HTMLElement }>();
  readonly #alarms = el('div.alarms', { role: 'alert' });
  readonly #members = new MembersTable();
  readonly #grid = el('div.charts');
  #charts: Chart[] = [];
  #latency: Chart | undefined;
  /** Which members the charts have lines for. */
  #lines = '';
  #before: Reading | undefined;

  constructor() {
    const tiles = TILES.map((name) => {
      const value = el('strong', {}, NONE);
      const note = el('small');
      this.#tiles.set(name, { value, note });
      return el('div.tile', { 'data-tile': name }, el('span', {}, name), value, note);
    });
    this.element = el('main.overview', {}, this.#alarms, el('div.tiles.card', {}, ...tiles), this.#members.element);
    this.element.append(this.#grid);
  }

  add(reading: Reading): void {
    const { row, latencyOf } = figures(this.#before, reading);
    this.#before = reading;
    this.#history.add(reading.seconds, row);
    if (reading.cluster !== undefined) this.#showCluster(reading.cluster);
    this.#showTiles(reading);
    this.#makeCharts(reading.cluster);
    if (latencyOf !== undefined && this.#latency !== undefined) this.#latency.subtitle = latencyOf;
    for (const chart of this.#charts) chart.show(this.#history);
  }

  redraw(): void {
    for (const chart of this.#charts) chart.redraw();
  }

  #showCluster(cluster: ClusterView): void {
    this.#members.show(cluster);
    const names = new Map(cluster.members.map((member) => [member.id, nameOf(member)]));
    const alarms = cluster.alarms.map(({ memberId, alarm }) => `${alarm} on ${names.get(memberId) ?? memberId}`);
    setText(this.#alarms, alarms.length === 0 ? '' : `Alarm: ${alarms.join(', ')}`);
  }

  #showTiles({ cluster, metrics, seconds: now }: Reading): void {
    const { requests, p99, watchers, memory, cpu, failed, events } = this.#history.latest;
    const leader = cluster?.members.find(({ id }) => id === cluster.leader);
    const self = cluster?.members.find(({ id }) => id === cluster.memberId);
    const started = metrics && total(metrics, 'process_start_time_seconds');
    const changes = metrics && total(metrics, 'etcd_server_leader_changes_seen_total');
    if (cluster !== undefined) {
      this.#tile('Leader', leader === undefined ? 'none' : nameOf(leader), `of ${cluster.members.length} members`);
      this.#tile('Term', count(cluster.term), changes === undefined ? '' : `leader changed ${count(changes)} ×`);
      this.#tile('Revision', count(cluster.revision), `cluster ${cluster.clusterVersion ?? 'version not decided'}`);
    }
    this.#tile('Requests', `${short(requests)}/s`, `${short(failed ?? 0)}/s failed`);
    this.#tile('Latency p99', seconds(p99), 'server side');
    this.#tile('Watchers', count(watchers), `${short(events)} events/s`);
    this.#tile('Memory', bytes(memory), `${percent(cpu)} CPU`);
    const uptime = started === undefined ? NONE : duration(now - started);
    this.#tile('Uptime', uptime, self === undefined ? '' : nameOf(self));
  }

  #tile(name: Tile, value: string, note: string): void {
    const tile = this.#tiles.get(name);
    if (tile === undefined) return;
    setText(tile.value, value);
    setText(tile.note, note);
  }

  #makeCharts(cluster: ClusterView | undefined): void {
    const lines = cluster === undefined ? this.#lines : JSON.stringify(cluster.members.map((m) => [m.id, m.name]));
    if (this.#charts.length > 0 && lines === this.#lines) return;
    this.#lines = lines;
    for (const chart of this.#charts) chart.close();
    this.#charts = chartsOf(cluster).map((options) => new Chart(options));
    this.#latency = this.#charts[1];
    this.#grid.replaceChildren(...this.#charts.map(({ element }) => element));
  }
}

function chartsOf(cluster: ClusterView | undefined): ChartOptions[] {
  const self = cluster?.members.find(({ id }) => id === cluster.memberId);
  const here = self === undefined ? 'this member' : `on ${nameOf(self)}`;
  const bytesPerSecond = (value: number | undefined): string => (value === undefined ? NONE : `${bytes(value)}/s`);
  const line = (figure: string, label: string, colour: number): Line => ({ figure, label, colour });
  const kinds = REQUEST_KINDS.map((kind, i) => line(kind, kind, i + 1));
  return [
    { title: 'Requests', subtitle: `${here}, per second`, lines: kinds, format: short, topMin: 1 },
    {
      title: 'Latency',
      lines: [line('p50', 'p50', 1), line('p99', 'p99', 2)],
      format: seconds,
      topMin: 0.001,
    },
    {
      title: 'Disk latency',
      subtitle: 'p99',
      lines: [line('fsync', 'log sync', 1), line('commit', 'database commit', 2)],
      format: seconds,
      topMin: 0.001,
    },
    { title: 'Lag', subtitle: 'entries to apply', lines: memberLines(cluster, lagOf), format: short, topMin: 10 },
    {
      title: 'Peer round trip',
      subtitle: here.replace('on', 'from'),
      lines: memberLines(cluster, roundTripOf).filter(({ figure }) => figure !== roundTripOf(cluster?.memberId ?? '')),
      format: seconds,
      topMin: 0.001,
    },
    { title: 'Database size', lines: memberLines(cluster, sizeOf), format: bytes, topMin: 1024 * 1024, isBinary: true },
    {
      title: 'Client traffic',
      subtitle: here,
      lines: [line('received', 'in', 1), line('sent', 'out', 2)],
      format: bytesPerSecond,
      topMin: 1024,
      isBinary: true,
    },
    {
      title: 'Watch events',
      subtitle: `${here}, per second`,
      lines: [line('events', 'sent', 3)],
      format: short,
      topMin: 1,
    },
    {
      title: 'CPU',
      subtitle: `${here}, 100 % is one core`,
      lines: [line('cpu', 'process', 4)],
      format: percent,
      topMin: 10,
    },
  ].filter(({ lines }) => lines.length > 0);
}

function memberLines(cluster: ClusterView | undefined, figureOf: (id: string) => string): Line[] {
  const members =
    cluster?.members.toSorted((a, b) => nameOf(a).localeCompare(nameOf(b), 'en', { numeric: true })) ?? [];
  return members
    .slice(0, LINES_MAX)
    .map((member, i) => ({ figure: figureOf(member.id), label: nameOf(member), colour: (i % COLOURS) + 1 }));
}
