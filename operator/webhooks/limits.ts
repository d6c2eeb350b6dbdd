import type { LogLimits } from '#base/limited-log.ts';
import type { BodyBudgetLimits } from '../server/body-budget.ts';
import type { ConnectionLimits } from '../server/connection-table.ts';

const MEBIBYTE = 1024 * 1024;

/**
 * What the webhooks' thread may hold. Together with its heap (`HEAP`) and the connections' TLS state (70 KiB each) it is about
 * 100 MiB at the very worst, of the 256 MiB that the chart gives the operator.
 */

/** The API server makes a connection for each call that is under way at the same time; it has one address, or a few. */
export const WEBHOOK_CONNECTIONS: ConnectionLimits = { total: 256, perNetwork: 128 };

/** For bodies up to `LARGE_BYTES`, as nearly all are. */
export const SMALL_BODIES: BodyBudgetLimits = { total: 8 * MEBIBYTE, perNetwork: 4 * MEBIBYTE };

/** For two of the longest. */
export const LARGE_BODIES: BodyBudgetLimits = { total: 14 * MEBIBYTE, perNetwork: 14 * MEBIBYTE };

/** Of the thread, in MiB (`resourceLimits` of node:worker_threads). */
export const HEAP = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 8 } as const;

/** Lines about reviews. */
export const LOG_LIMITS: LogLimits = { burst: 200, perSecond: 20 };

export const REPORT_EVERY_MS = 250;
