import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Every metric of the operator, in one table: what the code may count and what the documentation lists. */
export const METRICS = {
  signingRequests: {
    kind: 'counter',
    name: 'mesh_signing_requests_total',
    help: 'Requests for certificates, by result (issued, refused, failed) and exact reason.',
    labels: ['result', 'reason'],
  },
  signingSeconds: {
    kind: 'histogram',
    name: 'mesh_signing_duration_seconds',
    help: 'How long a request for a certificate took.',
    labels: ['result'],
  },
  injections: {
    kind: 'counter',
    name: 'mesh_injection_total',
    help: 'Pods looked at for injection, by result (injected, unchanged, left-out, refused, error) and reason.',
    labels: ['result', 'reason'],
  },
  validations: {
    kind: 'counter',
    name: 'mesh_validation_total',
    help: 'Resources of the mesh looked at before they are stored, by kind of resource and result (allowed, refused, error).',
    labels: ['resource', 'result'],
  },
  admissionSeconds: {
    kind: 'histogram',
    name: 'mesh_admission_duration_seconds',
    help: 'How long an admission review took, by endpoint (inject, validate).',
    labels: ['endpoint'],
  },
  httpRequests: {
    kind: 'counter',
    name: 'mesh_operator_http_requests_total',
    help: 'HTTP requests answered, by server (signing, webhooks, http, bundle, outside), path (known ones, else "other"; for webhooks what is asked there) and status code.',
    labels: ['server', 'path', 'code'],
  },
  connections: {
    kind: 'gauge',
    name: 'mesh_operator_connections',
    help: 'Connections that are open, by server (signing, webhooks, http, bundle, outside).',
    labels: ['server'],
  },
  connectionsClosed: {
    kind: 'counter',
    name: 'mesh_operator_connections_closed_total',
    help: 'Connections that the operator closed for their own or for the sake of others, by server and reason (network-limit, total-limit, busy, barred, not-tls, no-client-hello, pipelined).',
    labels: ['server', 'reason'],
  },
  bodiesRefused: {
    kind: 'counter',
    name: 'mesh_operator_bodies_refused_total',
    help: 'Bodies of requests that were not read, or not to their end, by server and reason (length-required, too-large, no-room, evicted, incomplete).',
    labels: ['server', 'reason'],
  },
  logLinesLeftOut: {
    kind: 'counter',
    name: 'mesh_operator_log_lines_left_out_total',
    help: 'Log lines about requests of strangers that were left out because there were too many, by server.',
    labels: ['server'],
  },
  webhookThreadRestarts: {
    kind: 'counter',
    name: 'mesh_operator_webhook_thread_restarts_total',
    help: 'How often the thread that answers the webhooks ended and was started again, by reason (exit, hung).',
    labels: ['reason'],
  },
  tokenReviews: {
    kind: 'counter',
    name: 'mesh_signing_token_reviews_total',
    help: 'TokenReviews that the operator asked the API server for, by whether the caller was expected there (expected, unexpected).',
    labels: ['caller'],
  },
  reconciles: {
    kind: 'counter',
    name: 'mesh_operator_reconciles_total',
    help: 'Objects looked at by a controller, by controller and result (ok, error).',
    labels: ['controller', 'result'],
  },
  reconcileSeconds: {
    kind: 'histogram',
    name: 'mesh_operator_reconcile_duration_seconds',
    help: 'How long a controller took over one object.',
    labels: ['controller'],
  },
  statusWrites: {
    kind: 'counter',
    name: 'mesh_operator_status_writes_total',
    help: 'Status written, by kind of object.',
    labels: ['kind'],
  },
  catalogWrites: {
    kind: 'counter',
    name: 'mesh_operator_catalog_writes_total',
    help: 'Catalog entries created, updated and deleted: each write is sent to every sidecar.',
    labels: ['result'],
  },
  catalogServices: {
    kind: 'gauge',
    name: 'mesh_operator_catalog_services',
    help: 'Services of the mesh by how they are reached: reachable, none, ambiguous, mixed, over-limit.',
    labels: ['reach'],
  },
  queueDepth: {
    kind: 'gauge',
    name: 'mesh_operator_queue_depth',
    help: 'Objects that wait for a controller.',
    labels: ['controller'],
  },
  cacheObjects: {
    kind: 'gauge',
    name: 'mesh_operator_cache_objects',
    help: 'Objects held in memory, by kind.',
    labels: ['kind'],
  },
  cacheLeftOut: {
    kind: 'gauge',
    name: 'mesh_operator_cache_left_out_objects',
    help: 'Objects that are not kept, since their namespace has more than its share of the memory, by kind.',
    labels: ['kind'],
  },
  cacheLastSync: {
    kind: 'gauge',
    name: 'mesh_operator_cache_last_contact_timestamp_seconds',
    help: 'When the API server was last heard about this kind of object (Unix time).',
    labels: ['kind'],
  },
  events: {
    kind: 'counter',
    name: 'mesh_operator_events_total',
    help: 'Kubernetes Events, by result (written, merged, dropped, failed).',
    labels: ['result'],
  },
  accessLeftOut: {
    kind: 'gauge',
    name: 'mesh_operator_access_left_out',
    help: 'ServiceAccounts of injected pods whose sidecars get no access, because a binding holds no more: to the rules of their namespace, or to the catalog of the cluster.',
    labels: ['scope'],
  },
  missedInjections: {
    kind: 'gauge',
    name: 'mesh_operator_missed_injections',
    help: 'Pods that ask for the mesh and run without it. Only watched on servers without matchConditions.',
    labels: [],
  },
  jobsFinished: {
    kind: 'counter',
    name: 'mesh_operator_jobs_finished_total',
    help: 'Sidecars told to end because the work of their pod is done, by result (ok, error).',
    labels: ['result'],
  },
  leader: {
    kind: 'gauge',
    name: 'mesh_operator_leader',
    help: '1 while this replica runs the controllers.',
    labels: [],
  },
  servingCertificateExpiry: {
    kind: 'gauge',
    name: 'mesh_operator_serving_certificate_expiry_timestamp_seconds',
    help: 'When the certificate of webhook and signing ends (Unix time).',
    labels: [],
  },
  bundleCertificateExpiry: {
    kind: 'gauge',
    name: 'mesh_operator_bundle_certificate_expiry_timestamp_seconds',
    help: 'When the certificate of the bundle endpoint ends (Unix time). Only where that is open.',
    labels: [],
  },
  authorityFault: {
    kind: 'gauge',
    name: 'mesh_operator_authority_fault',
    help: '1 while something is wrong with the certificate authority: its Secret is gone, broken or another one, or its root has ended. Looked at once a minute.',
    labels: [],
  },
  federationFetches: {
    kind: 'counter',
    name: 'mesh_federation_fetches_total',
    help: 'Looks at the bundle endpoints of foreign trust domains, by result (changed, unchanged, withdrawn, refused, failed).',
    labels: ['trust_domain', 'result'],
  },
  federationLastFetch: {
    kind: 'gauge',
    name: 'mesh_federation_last_fetch_timestamp_seconds',
    help: 'When the bundle endpoint of a foreign trust domain answered last (Unix time).',
    labels: ['trust_domain'],
  },
  auditLines: {
    kind: 'counter',
    name: 'mesh_audit_lines_total',
    help: 'Lines of the audit file, by result: written; left-out (refusals beyond the share of one caller, or of all); lost (the disk could not take them).',
    labels: ['result'],
  },
  auditLeftOut: {
    kind: 'counter',
    name: 'mesh_audit_left_out_total',
    help: 'Refusals that were left out of the audit file, by reason.',
    labels: ['reason'],
  },
  auditAnchorFault: {
    kind: 'gauge',
    name: 'mesh_operator_audit_anchor_fault',
    help: '1 while the end of the audit file cannot be anchored, or the file is not what its anchor says. Signing goes on. 0 where none is kept.',
    labels: [],
  },
  auditFault: {
    kind: 'gauge',
    name: 'mesh_operator_audit_fault',
    help: '1 while the audit file cannot be written. Signing goes on. 0 where none is kept.',
    labels: [],
  },
  intermediateExpiry: {
    kind: 'gauge',
    name: 'mesh_intermediate_expiry_timestamp_seconds',
    help: 'When each intermediate certificate ends over which certificates are signed (Unix time), by the first 12 digits of its SHA-256. None where the root itself signs.',
    labels: ['intermediate'],
  },
  rootExpiry: {
    kind: 'gauge',
    name: 'mesh_root_expiry_timestamp_seconds',
    help: 'When each root of the mesh ends (Unix time), by the first 12 digits of its identifier.',
    labels: ['root', 'active'],
  },
} as const;

type Table = typeof METRICS;
type Built<Definition extends { kind: string; labels: readonly string[] }> =
  Definition['kind'] extends 'counter'
    ? Counter<Definition['labels'][number]>
    : Definition['kind'] extends 'gauge'
      ? Gauge<Definition['labels'][number]>
      : Histogram<Definition['labels'][number]>;

/** The operator's metrics, by their key in {@link METRICS}. */
export type OperatorMetrics = { readonly [Key in keyof Table]: Built<Table[Key]> };

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Makes the metrics in a registry of their own.
 *
 * @param processMetrics whether memory, CPU and event loop lag of the process are collected too
 */
export function createMetrics(processMetrics = false): {
  readonly metrics: OperatorMetrics;
  readonly registry: Registry;
} {
  const registry = new Registry();
  if (processMetrics) collectDefaultMetrics({ register: registry });
  const built = Object.entries(METRICS).map(([key, { kind, name, help, labels }]) => {
    const options = { name, help, labelNames: [...labels], registers: [registry] };
    if (kind === 'counter') return [key, new Counter(options)];
    return [key, kind === 'gauge' ? new Gauge(options) : new Histogram({ ...options, buckets: SECONDS })];
  });
  return { metrics: Object.fromEntries(built) as OperatorMetrics, registry };
}
