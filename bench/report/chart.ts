/** The headline figures of a run as one picture: how many times better or worse than etcd. */
import * as echarts from 'echarts';
import type { Results, Row } from './results.ts';

const WIDTH = 1000;
const ROW_HEIGHT = 26;
const MARGIN_TOP = 90;
const MARGIN_BOTTOM = 50;
const COLOUR = { better: '#2a9d8f', worse: '#e76f51', line: '#555555' } as const;

/** An SVG document. Bars start at 1 (as good as etcd), on a logarithmic axis. */
export function chart(results: Results): string {
  const rows = results.rows.filter(({ headline, ratio }) => headline && ratio !== undefined);
  const chart = echarts.init(null, null, {
    renderer: 'svg',
    ssr: true,
    width: WIDTH,
    height: MARGIN_TOP + MARGIN_BOTTOM + ROW_HEIGHT * Math.max(1, rows.length),
  });
  chart.setOption({
    animation: false,
    title: {
      text: `quorate ${results.versions.quorate ?? ''} against etcd ${results.versions.etcd ?? ''}: times better`,
      subtext: `${results.date.slice(0, 10)}, ${results.machine.cores} x ${results.machine.cpuModel}, ${results.rounds} round(s), ${results.size} size`,
      left: 'center',
    },
    grid: { left: 290, right: 60, top: MARGIN_TOP, bottom: MARGIN_BOTTOM },
    // The bars of a logarithmic axis start at its lower end: the logarithms on a linear one do not.
    xAxis: { type: 'value', axisLabel: { formatter: (log: number) => label(2 ** log) }, minInterval: 1 },
    yAxis: { type: 'category', inverse: true, data: rows.map(labelOf), axisTick: { show: false } },
    series: [
      {
        type: 'bar',
        barWidth: '62%',
        data: rows.map(({ ratio }) => bar(ratio ?? 1)),
      },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

function bar(ratio: number): object {
  const better = ratio >= 1;
  return {
    value: Math.log2(ratio),
    itemStyle: { color: better ? COLOUR.better : COLOUR.worse },
    label: { show: true, position: better ? 'right' : 'left', formatter: label(ratio), color: COLOUR.line },
  };
}

function label(ratio: number): string {
  return ratio >= 10 ? ratio.toFixed(0) : ratio.toFixed(2).replace(/\.?0+$/, '');
}

function labelOf(row: Row): string {
  return row.name === 'rate' ? row.case : `${row.case}: ${row.name}`;
}
