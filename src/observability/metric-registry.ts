/** All metric families of the process, by name. */

import { assert } from '../base/assert.ts';
import { formatLabels, formatNumber, headerLines, histogramLines } from './exposition.ts';
import { CounterCell, GaugeCell, HistogramCell } from './instruments.ts';

type MetricType = 'counter' | 'gauge' | 'histogram';
type Cell = CounterCell | GaugeCell | HistogramCell;

/** Label values come from outside in places: beyond this many children a family counts all others in one, labelled `other`. */
const CHILDREN_MAX = 2000;
const OTHER = 'other';

/** One name: a single cell, or one per combination of label values. A family without cells is not shown. */
export class Family<C extends Cell> {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly labelNames: readonly string[];
  readonly #create: () => C;
  readonly #children = new Map<string, { labels: string; cell: C }>();

  constructor(name: string, help: string, type: MetricType, labelNames: readonly string[], create: () => C) {
    this.name = name;
    this.help = help;
    this.type = type;
    this.labelNames = labelNames;
    this.#create = create;
  }

  /** The cell for these label values, in the order of the names; made on first use. Keep it where speed matters. */
  with(...values: string[]): C {
    assert(values.length === this.labelNames.length, 'label values do not fit', { name: this.name, values });
    const key = values.join('\u0000');
    const known = this.#children.get(key);
    if (known !== undefined) return known.cell;
    if (this.#children.size >= CHILDREN_MAX && values.some((value) => value !== OTHER)) {
      return this.with(...values.map(() => OTHER));
    }
    const cell = this.#create();
    this.#children.set(key, { labels: formatLabels(this.labelNames, values), cell });
    return cell;
  }

  /** Visits the cells there are. */
  each(visit: (cell: C) => void): void {
    for (const { cell } of this.#children.values()) visit(cell);
  }

  /** Forgets a combination of label values. */
  remove(...values: string[]): void {
    this.#children.delete(values.join('\u0000'));
  }

  /** Forgets all. */
  clear(): void {
    this.#children.clear();
  }

  expose(): string {
    if (this.#children.size === 0) return '';
    const children = [...this.#children.values()].sort((a, b) => (a.labels < b.labels ? -1 : 1));
    let text = headerLines(this.name, this.help, this.type);
    for (const { labels, cell } of children) {
      if (cell instanceof HistogramCell) text += histogramLines(this.name, labels, cell);
      else text += `${this.name}${labels} ${formatNumber(cell.read())}\n`;
    }
    return text;
  }
}

export class MetricRegistry {
  readonly #families = new Map<string, Family<Cell>>();
  readonly #beforeExpose: (() => void)[] = [];

  counter(name: string, help: string): CounterCell {
    return this.counters(name, help, []).with();
  }

  gauge(name: string, help: string): GaugeCell {
    return this.gauges(name, help, []).with();
  }

  histogram(name: string, help: string, bounds: Float64Array): HistogramCell {
    return this.histograms(name, help, bounds, []).with();
  }

  counters(name: string, help: string, labelNames: readonly string[]): Family<CounterCell> {
    return this.#add(new Family(name, help, 'counter', labelNames, () => new CounterCell()));
  }

  gauges(name: string, help: string, labelNames: readonly string[]): Family<GaugeCell> {
    return this.#add(new Family(name, help, 'gauge', labelNames, () => new GaugeCell()));
  }

  histograms(name: string, help: string, bounds: Float64Array, labelNames: readonly string[]): Family<HistogramCell> {
    return this.#add(new Family(name, help, 'histogram', labelNames, () => new HistogramCell(bounds)));
  }

  /** What is registered, in no order. */
  families(): readonly Pick<Family<Cell>, 'name' | 'type' | 'labelNames'>[] {
    return [...this.#families.values()];
  }

  /** `update` runs before each scrape: for families whose label values come and go. */
  onExpose(update: () => void): void {
    this.#beforeExpose.push(update);
  }

  /** Everything, in the Prometheus text format, sorted by name. */
  expose(): string {
    for (const update of this.#beforeExpose) update();
    const families = [...this.#families.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return families.map((family) => family.expose()).join('');
  }

  #add<C extends Cell>(family: Family<C>): Family<C> {
    assert(!this.#families.has(family.name), 'metric registered twice', { name: family.name });
    this.#families.set(family.name, family);
    return family;
  }
}
