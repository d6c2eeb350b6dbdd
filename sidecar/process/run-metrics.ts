import type { Catalog } from '../sources/catalog/catalog.ts';
import type { EndpointPool } from '../sources/catalog/endpoint-pool.ts';
import type { MemoryBudget } from '../dataplane/memory/memory-budget.ts';
import type { IdentityManager } from '../sources/identity/identity-manager.ts';
import type { PolicyWatch } from '../sources/policy/policy-watch.ts';
import type { Readiness } from '../admin/health-routes.ts';
import type { Family } from '../admin/metrics/exposition.ts';
import { byLabel, counter, gauge } from '../admin/metrics/instruments.ts';
import type { Trust } from '../sources/trust/trust.ts';

export interface MetricSources {
  readonly startedAt: number;
  readonly readiness: Readiness;
  readonly identity: Pick<IdentityManager, 'state'>;
  readonly policy: Pick<PolicyWatch, 'state'>;
  readonly trust: Pick<Trust, 'stats' | 'current'>;
  readonly catalog: Pick<Catalog, 'stats' | 'index'>;
  readonly pool: Pick<EndpointPool, 'size'>;
  readonly memory: Pick<MemoryBudget, 'bytes' | 'fixed' | 'waiting'>;
}

/** Numbers that are read when Prometheus asks, so that an idle sidecar is idle. */
export function processFamilies(sources: MetricSources): readonly Family[] {
  const { identity, policy, trust, catalog, pool, readiness } = sources;
  return [
    gauge('mesh_ready', 'Whether this sidecar takes traffic.', () =>
      readiness.missing().length === 0 ? 1 : 0,
    ),
    gauge('mesh_certificate_valid', 'Whether there is a certificate that has not ended.', () =>
      identity.state().valid ? 1 : 0,
    ),
    gauge('mesh_certificate_not_after_seconds', 'When the certificate ends, as Unix time in seconds.', () =>
      seconds(identity.state().svid?.notAfter),
    ),
    gauge(
      'mesh_certificate_not_before_seconds',
      'When the certificate begins, as Unix time in seconds.',
      () => seconds(identity.state().svid?.notBefore),
    ),
    counter(
      'mesh_certificates_issued_total',
      'Certificates obtained since the start.',
      () => identity.state().issued,
    ),
    byLabel(
      {
        name: 'mesh_certificate_failures_total',
        help: 'Requests for a certificate that failed.',
        type: 'counter',
        label: 'code',
      },
      () => identity.state().failures,
    ),
    gauge(
      'mesh_trust_roots',
      'Root certificates that are trusted.',
      () => trust.current()?.bundle.rootsOfAllDomains.length,
    ),
    gauge(
      'mesh_policy_rules',
      'Intentions that may decide about this service.',
      () => policy.state().rules.length,
    ),
    gauge(
      'mesh_policy_version',
      'How often the intentions changed since the start.',
      () => policy.state().version,
    ),
    gauge('mesh_catalog_services', 'Services of the mesh that are known.', () => catalog.index.size),
    gauge('mesh_endpoint_watches', 'Kubernetes Services whose endpoints are watched.', () => pool.size),
    byLabel(
      {
        name: 'mesh_last_sync_seconds',
        help: 'When what was read from the API server was last known to be current, as Unix time in seconds.',
        type: 'gauge',
        label: 'resource',
      },
      () => syncTimes(sources),
    ),
    byLabel(
      {
        name: 'mesh_watch_restarts_total',
        help: 'How often a watch of the API server had to begin again.',
        type: 'counter',
        label: 'resource',
      },
      () => restarts(sources),
    ),
    byLabel(
      {
        name: 'mesh_peer_memory_bytes',
        help: 'Memory that peers can fill: the limit, what connections take, and what waits in them.',
        type: 'gauge',
        label: 'use',
      },
      () => peerMemory(sources),
    ),
    ...runtimeFamilies(sources),
  ];
}

/** What any process of ours says about itself; `startedAt` as Unix time in milliseconds. */
export function runtimeFamilies({ startedAt }: Pick<MetricSources, 'startedAt'>): readonly Family[] {
  return [
    gauge('process_start_time_seconds', 'When this process began, as Unix time in seconds.', () =>
      seconds(startedAt),
    ),
    gauge('process_resident_memory_bytes', 'Resident memory.', () => process.memoryUsage.rss()),
    counter('process_cpu_seconds_total', 'Processor time used.', () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }),
    gauge('nodejs_heap_used_bytes', 'Part of the heap that is in use.', () => process.memoryUsage().heapUsed),
  ];
}

function peerMemory({ memory }: MetricSources): Iterable<readonly [string, number]> {
  return [
    ['limit', memory.bytes],
    ['connections', memory.fixed],
    ['waiting', memory.waiting],
  ];
}

function watchesOf({ policy, trust, catalog }: MetricSources) {
  return [
    ['meshconfigs', [trust.stats]],
    ['meshservices', [catalog.stats]],
    ['intentions', policy.state().watches],
  ] as const;
}

/** The oldest of several watches of one resource counts. */
function* syncTimes(sources: MetricSources): Iterable<readonly [string, number]> {
  for (const [resource, watches] of watchesOf(sources)) {
    const oldest = Math.min(...watches.map(({ lastSyncAt }) => lastSyncAt ?? 0));
    yield [resource, oldest / 1000];
  }
}

function* restarts(sources: MetricSources): Iterable<readonly [string, number]> {
  for (const [resource, watches] of watchesOf(sources)) {
    yield [
      resource,
      watches.flatMap((watch) => Object.values(watch.restarts)).reduce((sum, count) => sum + count, 0),
    ];
  }
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000;
}
