import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import { RefusalLog } from '../dataplane/refusals/refusal-log.ts';
import type { DataPlaneMetrics } from '../dataplane/interfaces/data-plane-metrics.ts';
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
