/**
 * How much a log says, from all to nothing. A file of its own: whoever reads a level from a setting need not load what `log.ts` writes
 * with, which the sidecar has no memory for.
 */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
