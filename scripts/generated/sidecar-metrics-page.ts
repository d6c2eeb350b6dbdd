import { DataPlaneCounters } from '#sidecar/admin/metrics/data-plane-counters.ts';
import { processFamilies } from '#sidecar/process/run-metrics.ts';

/** The page that lists the metrics of the sidecar. */
export function sidecarMetricsPage(): string {
  // Only names are read here, no number, so nothing has to stand behind them.
  const families = [...new DataPlaneCounters().families(), ...processFamilies({} as never)];
  const rows = families.map(
    ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`,
  );
  return `# Metrics of the sidecar

Served in plain HTTP on port 15020 of every meshed pod under \`/metrics\`; the port is outside the mesh, so Prometheus needs no certificate.
Generated from \`sidecar/admin/metrics\` and \`sidecar/process/run-metrics.ts\` by \`npm run generate\`.

${['| name | kind | labels | what |', '| --- | --- | --- | --- |', ...rows].join('\n')}

\`peer\` is the SPIFFE ID of the other side, empty where it has none. A metric holds at most 500 sets of labels; what comes beyond is
counted under \`other\`. \`reason\` and \`code\` are words from fixed lists.
`;
}
