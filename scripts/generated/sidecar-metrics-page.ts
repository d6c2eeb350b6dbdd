import type { Family } from '#sidecar/admin/metrics/exposition.ts';
import { DataPlaneCounters } from '#sidecar/admin/metrics/data-plane-counters.ts';
import { workerFamilies } from '#sidecar/cores/worker-metrics.ts';
import { processFamilies } from '#sidecar/process/run-metrics.ts';

/** The page that lists the metrics of the sidecar. */
export function sidecarMetricsPage(): string {
  // Only names are read here, no number, so nothing has to stand behind them.
  const families = [...new DataPlaneCounters().families(), ...processFamilies({} as never)];
  const known = new Set(families.map(({ name }) => name));
  const ofManyCores = workerFamilies({} as never).filter(({ name }) => !known.has(name));
  const head = ['| name | kind | labels | what |', '| --- | --- | --- | --- |'];
  return `# Metrics of the sidecar

Served in plain HTTP under \`/metrics\`, twice: on port 15020 of every meshed pod, without the label \`peer\`, summed over all peers, since any pod can reach that
port; and on 127.0.0.1:15000, inside of the pod only, with it. Port 15020 is outside the mesh, so Prometheus needs no certificate;
[operations](../operations.md#what-to-watch) says how to get at the other.
Generated from \`sidecar/admin/metrics\` and \`sidecar/process/run-metrics.ts\` by \`npm run generate\`.

${[...head, ...families.map(row)].join('\n')}

\`peer\` is the SPIFFE ID of the other side (of a long one the first 256 characters), empty where it has none. A metric holds at most 500 sets of labels; what comes
beyond is counted under the peer \`other\`. All other labels have words from fixed lists.

## On several cores

With \`sidecar.cores\` or \`mesh/cores\` above 1 ([operations](../operations.md#more-than-one-core)) one answer is for all processes together: counters,
histograms, connections and memory are summed, of certificates and of what was read the oldest counts, and \`mesh_ready\` is 1 only when
every worker is ready. A worker that says nothing within a second is left out, except for what it had counted before. Besides:

${[...head, ...ofManyCores.map(row)].join('\n')}
`;
}

function row({ name, type, labels, help }: Family): string {
  return `| \`${name}\` | ${type} | ${labels.join(', ')} | ${help} |`;
}
