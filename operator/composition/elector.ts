import { randomBytes } from 'node:crypto';

import { LeaseElector } from '#kube/control/lease-elector.ts';

import { LEASE_NAME } from '../config/names.ts';
import { createControllers } from '../controllers/all.ts';
import { Leadership } from '../control-loop/leadership.ts';
import { SoleLeader } from '../control-loop/sole-leader.ts';
import type { Elector } from '../control-loop/sole-leader.ts';
import type { Parts } from './parts.ts';

/** Runs the controllers: from its start on, or while it holds the lease that replicas compete for. */
export function electorOf(parts: Parts): Elector {
  const { api, clock, log, metrics, caches, config, operations, replicas } = parts;
  const leadership = new Leadership({
    metrics,
    synced: () => caches.synced(),
    create: () => createControllers(parts),
  });
  operations.onScrape(() => leadership.measure());
  const lead = (term: AbortSignal): Promise<void> => leadership.lead(term);
  if (replicas === 'one') return new SoleLeader(lead);
  return new LeaseElector({
    ...{ api, clock, log, name: LEASE_NAME, namespace: config.meshNamespace },
    identity: `${config.podName}_${randomBytes(4).toString('hex')}`,
    onStarted: lead,
    onLost: replicas.onLostLease,
  });
}
