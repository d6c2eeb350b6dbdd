import { METRICS } from '#operator/metrics/metrics.ts';

/** The page that lists the metrics of the operator. */
export function metricsPage(): string {
  const rows = Object.values(METRICS).map(
    ({ name, kind, labels, help }) => `| \`${name}\` | ${kind} | ${labels.join(', ')} | ${help} |`,
  );
  return `# Metrics of the operator

Served in plain HTTP on port 8080 under \`/metrics\`, together with the usual ones of a Node.js process (memory, CPU, event loop).
Generated from \`operator/metrics/metrics.ts\` by \`npm run generate\`.

${['| name | kind | labels | what |', '| --- | --- | --- | --- |', ...rows].join('\n')}
`;
}
