import type { Family } from '../admin/metrics/exposition.ts';
import { counter, gauge } from '../admin/metrics/instruments.ts';

export interface WorkerCounts {
  /** As configured. */
  readonly workers: number;
  readonly answering: number;
  readonly restarts: number;
}

/** What only a sidecar on several cores has to tell. */
export function workerFamilies({ workers, answering, restarts }: WorkerCounts): readonly Family[] {
  const allAnswer = answering === workers;
  return [
    // Joined with what the workers say: a sidecar with a worker that says nothing is not ready.
    gauge('mesh_ready', 'Whether this sidecar takes traffic.', () => (allAnswer ? undefined : 0)),
    gauge('mesh_workers', 'Processes among which the connections are shared, as configured.', () => workers),
    gauge('mesh_workers_answering', 'Of these, those whose gauges are in this very answer.', () => answering),
    counter(
      'mesh_worker_restarts_total',
      'Workers that ended unexpectedly and were started again.',
      () => restarts,
    ),
  ];
}
