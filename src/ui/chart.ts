/** A line chart with its legend; the legend shows the figures under the pointer, or the latest. */
import uPlot from 'uplot';
import { el, setText } from './dom.ts';
import { NONE } from './format.ts';
import type { History } from './history.ts';

export interface Line {
  /** Of the figure in the history. */
  readonly figure: string;
  readonly label: string;
  /** 1 to 6: which of the colours. */
  readonly colour: number;
  readonly isDashed?: boolean;
}

export interface ChartOptions {
  readonly title: string;
  readonly subtitle?: string;
  readonly lines: readonly Line[];
  readonly format: (value: number | undefined) => string;
  /** Ticks at powers of two. */
  readonly isBinary?: boolean;
  /** The vertical axis reaches at least up to here, so that noise does not look like a mountain. */
  readonly topMin: number;
}

const HEIGHT_PX = 136;
/** How far back charts reach when they are full, and at the least. */
export const WINDOW_SECONDS = 600;
const WINDOW_SECONDS_MIN = 60;
const TIME_WIDTH_PX = 50;
const SYNC = 'quorate';
/** 1, 2, 4, … 1024^5. */
const POWERS_OF_TWO = Array.from({ length: 51 }, (_, power) => 2 ** power);

export class Chart {
  readonly element: HTMLElement;
  readonly #options: ChartOptions;
  readonly #subtitle: HTMLElement;
  readonly #place: HTMLElement;
  readonly #values: HTMLElement[];
  readonly #resized: ResizeObserver;
  #plot: uPlot | undefined;
  #data: uPlot.AlignedData = [[]];

  constructor(options: ChartOptions) {
    this.#options = options;
    this.#place = el('div.plot');
    this.#subtitle = el('span.muted', {}, options.subtitle);
    this.#values = options.lines.map(() => el('span.value', {}, NONE));
    const legend = options.lines.map(({ label, colour, isDashed = false }, i) =>
      el(
        'span.entry',
        {},
        el(`span.swatch.series-${colour}${isDashed ? '.dashed' : ''}`),
        el('span.label', {}, label),
        this.#values[i],
      ),
    );
    this.element = el(
      'section.card.chart',
      { 'aria-label': options.title },
      el('header', {}, el('h3', {}, options.title), this.#subtitle),
      el('div.legend', {}, ...legend),
      this.#place,
    );
    this.#resized = new ResizeObserver(() => this.#fit());
    this.#resized.observe(this.#place);
  }

  set subtitle(text: string) {
    setText(this.#subtitle, text);
  }

  show(history: History): void {
    this.#data = history.columns(this.#options.lines.map(({ figure }) => figure));
    if (this.#plot === undefined) this.#fit();
    else this.#plot.setData(this.#data);
    if (this.#plot?.cursor.idx === null || this.#plot?.cursor.idx === undefined) this.#legend(null);
  }

  /** With the colours of the page as they are now. */
  redraw(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#fit();
  }

  close(): void {
    this.#resized.disconnect();
    this.#plot?.destroy();
  }

  #fit(): void {
    const width = this.#place.clientWidth;
    if (width === 0) return;
    if (this.#plot === undefined) this.#plot = new uPlot(this.#uplotOptions(width), this.#data, this.#place);
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT_PX });
  }

  #legend(index: number | null): void {
    this.#options.lines.forEach((_, i) => {
      const column = this.#data[i + 1] ?? [];
      const value = index === null ? lastOf(column) : column[index];
      const node = this.#values[i];
      if (node !== undefined) setText(node, this.#options.format(value ?? undefined));
    });
  }

  #uplotOptions(width: number): uPlot.Options {
    const style = getComputedStyle(this.element);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    const { lines, format, topMin, isBinary = false } = this.#options;
    const axis = {
      stroke: colour('--muted'),
      font: `11px ${style.fontFamily}`,
      grid: { stroke: colour('--grid'), width: 1 },
      ticks: { show: false },
    };
    const [only] = lines.length === 1 ? lines : [];
    return {
      width,
      height: HEIGHT_PX,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: {
        sync: { key: SYNC },
        drag: { x: false, y: false },
        y: false,
        points: { size: 6 },
      },
      scales: {
        x: { time: true, range: (_, first, last) => windowOf(first, last) },
        y: { range: (_, _low, high) => [0, Math.max(topMin, (high ?? 0) * 1.15)] },
      },
      axes: [
        {
          ...axis,
          size: 26,
          gap: 8,
          space: 76,
          values: (plot, ticks) => ticks.map((tick) => (hasRoom(plot, tick) ? clock(tick) : null)),
        },
        {
          ...axis,
          size: 62,
          gap: 6,
          space: 24,
          ...(isBinary && { incrs: POWERS_OF_TWO }),
          values: (_, ticks) => ticks.map((tick) => plain(format(tick))),
        },
      ],
      series: [
        {},
        ...lines.map((line) => ({
          stroke: colour(`--series-${line.colour}`),
          width: 1.75,
          points: { show: false },
          ...(line.isDashed === true && { dash: [5, 4] }),
          ...(only !== undefined && { fill: colour(`--series-${line.colour}-soft`) }),
        })),
      ],
      hooks: { setCursor: [({ cursor }) => this.#legend(cursor.idx ?? null)] },
    };
  }
}

function lastOf(column: ArrayLike<number | null | undefined>): number | null | undefined {
  return column[column.length - 1];
}

function windowOf(first: number | null, last: number | null): [number, number] {
  const end = last ?? Date.now() / 1000;
  const begin = Math.max(first ?? end, end - WINDOW_SECONDS);
  return [Math.min(begin, end - WINDOW_SECONDS_MIN), end];
}

/** Without zeros at the end of a fraction. */
function plain(text: string): string {
  return text.replace(/(\.\d*?)0+(?!\d)/, '$1').replace(/\.(?!\d)/, '');
}

/** Whether the time below a tick ends before the chart does. */
function hasRoom(plot: uPlot, tick: number): boolean {
  return plot.over.clientWidth - plot.valToPos(tick, 'x') > TIME_WIDTH_PX / 2 - 8;
}

function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB', { hour12: false });
}
