import type { Target } from '../metrics.ts';
import type { Proxy } from '../proxies/proxy.ts';
import type { Row } from './comparison.ts';
import { figure, ratioText } from './numbers.ts';

/** The rows as text for a terminal: medians, then the ratios of ours to the best peer and what was wanted. */
export function renderTable(proxies: readonly Pick<Proxy, 'name' | 'kind'>[], rows: readonly Row[]): string {
  const ours = proxies.filter(({ kind }) => kind === 'ours').map(({ name }) => name);
  const head = [
    '',
    ...proxies.map(({ name }) => name),
    'best peer',
    ...ours.map((name) => `${name} : best`),
    'target',
  ];
  const body = rows.map((row) => [
    labelOf(row),
    ...proxies.map(({ name }) => {
      const median = row.cells[name]?.median;
      return median === undefined ? '-' : figure(median);
    }),
    row.bestPeer ?? '-',
    ...ours.map((name) => {
      const cell = row.cells[name];
      return `${ratioText(cell?.ratio)}${cell?.met === undefined ? '' : cell.met ? ' ok' : ' MISSED'}`;
    }),
    row.target === undefined ? '' : targetText(row.target, row.unit),
  ]);
  return align([head, ...body]);
}

/** Title and unit, such as `p50, ms` or `requests/s`. */
function labelOf({ title, unit }: Row): string {
  if (unit === '') return title;
  return unit.startsWith('/') ? `${title}${unit}` : `${title}, ${unit}`;
}

/** Such as `>= 1.15` (a ratio) or `<= 60 MiB`. */
export function targetText({ of, bound, value }: Target, unit: string): string {
  return `${bound === 'least' ? '>=' : '<='} ${value}${of === 'value' ? ` ${unit}` : ''}`;
}

/** The first column to the left, the others to the right. */
function align(lines: readonly (readonly string[])[]): string {
  const widths = (lines[0] ?? []).map((_, column) =>
    Math.max(...lines.map((line) => line[column]?.length ?? 0)),
  );
  return lines
    .map((line) =>
      line
        .map((text, column) =>
          column === 0 ? text.padEnd(widths[0] ?? 0) : text.padStart(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
