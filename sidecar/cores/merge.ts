import type { Sample } from '../admin/metrics/exposition.ts';
import { MAX_LABEL_SETS, otherLabels } from '../admin/metrics/instruments.ts';
import type { FamilyData } from './family-data.ts';

/** How the numbers of several processes become one. */
export type Rule = 'sum' | 'least' | 'greatest';

/**
 * Gauges by what they mean. Counters and histograms are summed. A gauge that is missing here would be summed too; a test holds
 * this complete.
 */
export const GAUGE_RULES: Readonly<Record<string, Rule>> = {
  mesh_connections_open: 'sum',
  mesh_tunnels_open: 'sum',
  mesh_peer_memory_bytes: 'sum',
  mesh_endpoint_watches: 'sum',
  process_resident_memory_bytes: 'sum',
  nodejs_heap_used_bytes: 'sum',
  mesh_workers: 'sum',
  mesh_workers_answering: 'sum',
  // The worst of them, since any of them may take the next connection.
  mesh_ready: 'least',
  mesh_certificate_valid: 'least',
  mesh_certificate_not_after_seconds: 'least',
  mesh_certificate_not_before_seconds: 'least',
  mesh_last_sync_seconds: 'least',
  mesh_trust_roots: 'least',
  mesh_policy_rules: 'least',
  mesh_catalog_services: 'least',
  process_start_time_seconds: 'least',
  // How often something changed since the start: who has run longest has seen all of it.
  mesh_policy_version: 'greatest',
};

const JOIN: Readonly<Record<Rule, (one: number, other: number) => number>> = {
  sum: (one, other) => one + other,
  least: Math.min,
  greatest: Math.max,
};

/** The families of several processes as those of one, in the order in which they come first. */
export function merge(parts: Iterable<readonly FamilyData[]>): readonly FamilyData[] {
  const merged = new Map<string, { readonly family: FamilyData; readonly samples: Map<string, Sample> }>();
  for (const family of [...parts].flat()) {
    const known = merged.get(family.name) ?? { family, samples: new Map<string, Sample>() };
    merged.set(family.name, known);
    const join = JOIN[family.type === 'gauge' ? (GAUGE_RULES[family.name] ?? 'sum') : 'sum'];
    for (const sample of family.samples) add(known.samples, sample, join);
  }
  return [...merged.values()].map(({ family, samples }) => ({ ...family, samples: [...samples.values()] }));
}

/** What only ever grows: it stays true of a process that says nothing now, or is no more. */
export function lasting(families: readonly FamilyData[]): readonly FamilyData[] {
  return families.filter(({ type }) => type !== 'gauge');
}

/**
 * What ended workers had counted, all together, so that the sums never shrink; a smaller one would be taken for a restart of
 * the whole sidecar.
 *
 * @param past of those that ended before
 * @param last what this one said last
 */
export function retire(past: readonly FamilyData[], last: readonly FamilyData[]): readonly FamilyData[] {
  return merge([past, lasting(last)]).map((family) =>
    // Histograms have labels from fixed lists only.
    family.type === 'histogram' ? family : { ...family, samples: bounded(family.samples) },
  );
}

function bounded(samples: readonly Sample[]): readonly Sample[] {
  const kept = new Map(samples.slice(0, MAX_LABEL_SETS).map((sample) => [keyOf(sample), sample]));
  for (const sample of samples.slice(MAX_LABEL_SETS)) {
    // Of workers that are no more as many are kept as in each worker.
    add(kept, { ...sample, labels: otherLabels(sample.labels ?? {}) }, JOIN.sum);
  }
  return [...kept.values()];
}

function add(
  samples: Map<string, Sample>,
  sample: Sample,
  join: (one: number, other: number) => number,
): void {
  const key = keyOf(sample);
  const known = samples.get(key);
  samples.set(key, known ? { ...known, value: join(known.value, sample.value) } : sample);
}

function keyOf({ suffix = '', labels = {} }: Sample): string {
  return JSON.stringify([suffix, Object.entries(labels).sort(([one], [other]) => (one < other ? -1 : 1))]);
}
