import type { Metric } from '../metrics.ts';
import type { Proxy, ProxyName } from '../proxies/proxy.ts';
import type { Row } from './comparison.ts';
import { targetText } from './table.ts';

const [WIDTH, LABELS, RIGHT, TOP, BAR, GAP] = [760, 240, 130, 56, 12, 10];
const COLORS = ['ours-1', 'ours-2'];

/**
 * A bar chart: for each metric with a target, how many times as good as the best peer ours are, on a logarithmic scale.
 * Colours follow the reader's light or dark mode.
 *
 * @param subtitle on what it was measured
 */
export function renderChart(
  proxies: readonly Pick<Proxy, 'name' | 'kind'>[],
  rows: readonly Row[],
  subtitle: string,
): string {
  const ours = proxies.filter(({ kind }) => kind === 'ours').map(({ name }) => name);
  const shown = rows.filter(
    ({ target, cells }) => target?.of === 'ratio' && ours.some((name) => cells[name]?.ratio),
  );
  const group = ours.length * BAR + GAP;
  const height = TOP + shown.length * group + 30;
  const x = scale(shown.flatMap((row) => ours.map((name) => advantage(row, name))));
  const bottom = height - 30;
  const grid = [0.125, 0.25, 0.5, 1, 2, 4, 8, 16].filter(
    (value) => x(value) >= LABELS && x(value) <= WIDTH - RIGHT,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" font-family="system-ui, sans-serif" font-size="12">
<title>mesh beside other proxies: times as good as the best of them</title>
<style>
  text { fill: #24292f } .faint { fill: #57606a } .grid { stroke: #d0d7de } .even { stroke: #24292f } .target { stroke: #cf222e }
  .ours-1 { fill: #0969da } .ours-2 { fill: #8250df }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .faint { fill: #8d96a0 } .grid { stroke: #30363d } .even { stroke: #e6edf3 } .target { stroke: #f85149 }
    .ours-1 { fill: #4493f8 } .ours-2 { fill: #ab7df8 }
  }
</style>
<text x="8" y="18" font-size="14" font-weight="600">Times as good as the best peer (right of 1 is better)</text>
<text x="8" y="36" class="faint">${escape(subtitle)}</text>
${legend(ours)}
${grid.map((value) => `<line class="${value === 1 ? 'even' : 'grid'}" x1="${x(value)}" x2="${x(value)}" y1="${TOP - 6}" y2="${bottom}"/><text class="faint" text-anchor="middle" x="${x(value)}" y="${bottom + 16}">${value}</text>`).join('\n')}
${shown.map((row, index) => bars(row, ours, TOP + index * group, x)).join('\n')}
</svg>
`;
}

function legend(ours: readonly ProxyName[]): string {
  const entries = ours.map((name, index) => {
    const left = WIDTH - RIGHT - 100 * (ours.length - index) + 100;
    return `<rect class="${COLORS[index % 2]}" x="${left}" y="9" width="10" height="10"/><text x="${left + 14}" y="18">${name}</text>`;
  });
  return entries.join('\n');
}

function bars(row: Row, ours: readonly ProxyName[], top: number, x: (value: number) => number): string {
  const middle = top + (ours.length * BAR) / 2 + 4;
  const parts = ours.flatMap((name, index) => {
    const value = advantage(row, name);
    if (value === undefined) return [];
    const [left, right] = [Math.min(x(1), x(value)), Math.max(x(1), x(value))];
    const y = top + index * BAR;
    return [
      `<rect class="${COLORS[index % 2]}" x="${left}" y="${y}" width="${(right - left).toFixed(1)}" height="${BAR - 2}"><title>${name}: ${value.toFixed(2)} times as good as ${row.bestPeer ?? ''}</title></rect>`,
    ];
  });
  const wanted = row.target && x(times(row.target.value, row.better));
  const mark = wanted
    ? `<line class="target" stroke-width="2" x1="${wanted}" x2="${wanted}" y1="${top - 2}" y2="${top + ours.length * BAR}"/>`
    : '';
  const target = row.target ? `ratio ${targetText(row.target, row.unit)}` : '';
  return `<text x="8" y="${middle}">${escape(row.title)}</text>
${parts.join('\n')}
${mark}<text class="faint" x="${WIDTH - RIGHT + 12}" y="${middle}">${escape(target)}</text>`;
}

/** How many times as good as the best peer: the ratio, or one over it where less is better. */
function advantage(row: Row, name: ProxyName): number | undefined {
  const ratio = row.cells[name]?.ratio;
  return ratio === undefined || ratio <= 0 ? undefined : times(ratio, row.better);
}

function times(ratio: number, better: Metric['better']): number {
  return better === 'more' ? ratio : 1 / ratio;
}

/** From the smallest to the largest value, at least from a quarter to four. */
function scale(values: readonly (number | undefined)[]): (value: number) => number {
  const known = values.filter((value) => value !== undefined);
  const [low, high] = [Math.log(Math.min(0.5, ...known) / 1.1), Math.log(Math.max(6, ...known) * 1.1)];
  return (value) => {
    const share = (Math.log(value) - low) / (high - low);
    return Math.round((LABELS + share * (WIDTH - RIGHT - LABELS)) * 10) / 10;
  };
}

function escape(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}
