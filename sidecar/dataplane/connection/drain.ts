import type { Clock } from '#base/clock.ts';

import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { ConnectionRegistry } from './registry.ts';
import type { SocketSet } from './socket-set.ts';

/** How a listener goes out of service. Times in milliseconds from the moment of the call. */
export interface DrainOptions {
  /** New connections are still taken for this long: others learn only by and by that this pod is leaving. */
  readonly minimumMs: number;
  /** What is open then is reset. */
  readonly deadlineMs: number;
}

export interface Drained {
  readonly clock: Clock;
  readonly sockets: SocketSet;
  readonly registry: ConnectionRegistry;
  /** Takes no more connections from now on. */
  readonly close: () => void;
}

/** Takes connections for the minimum time, then none, lets the open ones finish until the deadline, and resets the rest. */
export async function drain(
  { clock, sockets, registry, close }: Drained,
  options: DrainOptions,
): Promise<void> {
  const deadline = clock.now() + options.deadlineMs;
  await clock.sleep(Math.min(options.minimumMs, options.deadlineMs));
  close();
  const emptied = new AbortController();
  await Promise.race([
    sockets.whenEmpty().then(() => emptied.abort()),
    clock.sleep(Math.max(0, deadline - clock.now()), emptied.signal),
  ]);
  registry.cutAll(new ConnectionRefusal('draining', 'this pod is shutting down and its time is over'));
  sockets.resetAll();
  await sockets.whenEmpty();
}
