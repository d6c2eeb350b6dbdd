import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import type { DrainOptions } from '../dataplane/connection/drain.ts';

/** One half of the data path, as far as ending it goes. */
interface Drainable {
  readonly accepted: number;
  stop(options: DrainOptions): Promise<void>;
}

export interface ShutdownOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly inbound: Drainable;
  readonly outbound: Drainable;
  /** Whether anything else needs this process still. */
  readonly busy: () => boolean;
}

export interface ShutdownTimes {
  /** New connections are taken for at least this long, milliseconds: others learn only by and by that this pod leaves. */
  readonly minimumMs: number;
  /** Everything that is open then is reset. */
  readonly deadlineMs: number;
}

const LOOK_EVERY_MS = 50;
/** The application may open its next connection a moment after it closed the last one. */
const QUIET_MS = 300;

/**
 * Takes the data path out of service: inbound no longer than needed, outbound as long as anything moves, since the
 * application may well have to finish its work through it. Resolves when nothing is open.
 */
export async function shutDown(
  { clock, log, inbound, outbound, busy }: ShutdownOptions,
  times: ShutdownTimes,
): Promise<void> {
  const began = clock.now();
  const elapsed = (): number => clock.now() - began;
  const minimumMs = Math.min(times.minimumMs, times.deadlineMs);
  let inboundDone = false;
  const inboundStopped = inbound.stop({ minimumMs, deadlineMs: times.deadlineMs }).then(() => {
    inboundDone = true;
  });
  await clock.sleep(minimumMs);
  let quietSince = Infinity;
  while (elapsed() < times.deadlineMs) {
    const quiet = inboundDone && outbound.accepted === 0 && !busy();
    quietSince = quiet ? Math.min(quietSince, elapsed()) : Infinity;
    if (elapsed() - quietSince >= Math.min(QUIET_MS, minimumMs)) break;
    await clock.sleep(LOOK_EVERY_MS);
  }
  const remaining = Math.max(0, times.deadlineMs - elapsed());
  await Promise.all([inboundStopped, outbound.stop({ minimumMs: 0, deadlineMs: remaining })]);
  log.info({ tookMs: Math.round(elapsed()) }, 'all connections are closed');
}

/** How long a sidecar serves on after SIGTERM. Times in milliseconds. */
export function shutdownTimes(config: {
  readonly style: 'native' | 'ordinary';
  readonly drainMs: number;
  readonly graceMs: number;
}): ShutdownTimes {
  // A native sidecar is told to end after every other container has ended: nobody needs it for longer than connections last.
  const minimumMs = config.style === 'native' ? 0 : config.drainMs;
  return { minimumMs, deadlineMs: Math.max(1_000, config.graceMs - 5_000) };
}
