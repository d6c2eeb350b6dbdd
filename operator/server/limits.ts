import type { OperatorMetrics } from '../metrics/metrics.ts';
import type { BodyBudgetLimits } from './body-budget.ts';
import type { ConnectionLimits } from './connection-table.ts';
import type { ListenerMetrics } from './listener.ts';

/** The ports of the main thread; the webhooks have theirs in a thread of their own (`operator/webhooks/limits.ts`). */
export type Server = 'signing' | 'http' | 'bundle' | 'outside';

/**
 * Connections of each port. One with TLS takes about 70 KiB, so that all of them together fit into the memory that the chart gives
 * the operator.
 */
export const CONNECTIONS: Readonly<Record<Server, ConnectionLimits>> = {
  // A pod makes one connection in hours, one on several cores a few at its start.
  signing: { total: 512, perNetwork: 64 },
  // The kubelet makes one for each probe, Prometheus keeps one. Without TLS a place costs little, and the more there are, the longer
  // one that is slow to be heard stays under a flood.
  http: { total: 512, perNetwork: 64 },
  bundle: { total: 64, perNetwork: 16 },
  // A joining machine holds one for a moment.
  outside: { total: 256, perNetwork: 16 },
};

/** Bodies of requests for certificates have about 600 bytes, at most 16 KB. */
export const SIGNING_BODIES: BodyBudgetLimits = { total: 2 * 1024 * 1024, perNetwork: 256 * 1024 };

/** What a port counts, in the operator's metrics. */
export function listenerMetrics(
  metrics: Pick<OperatorMetrics, 'connections' | 'connectionsClosed'>,
  server: Server,
): ListenerMetrics {
  return {
    closed: (reason) => metrics.connectionsClosed.inc({ server, reason }),
    open: (count) => metrics.connections.set({ server }, count),
  };
}
