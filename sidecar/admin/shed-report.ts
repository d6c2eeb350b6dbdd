import type { Clock } from '#kube/clock.ts';
import type { Logger } from '#kube/log.ts';

import { RefusalLog } from '../connection/refusal-log.ts';
import type { DataPlaneMetrics } from '../seams/data-plane-metrics.ts';
import type { OnShed } from './request-places.ts';

/** Counts and logs connections to an admin port that were closed because there were too many. */
export function shedReport(
  port: 'admin' | 'local',
  deps: {
    readonly clock: Clock;
    readonly log: Logger;
    readonly metrics: Pick<DataPlaneMetrics, 'shed'>;
  },
): OnShed {
  const log = new RefusalLog(deps);
  return (phase, limit, source) => {
    deps.metrics.shed(port, phase, limit);
    log.warn(`${port} ${source}`, { port, phase, limit, source, reason: 'limit' }, 'request refused');
  };
}
