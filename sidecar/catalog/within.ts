import type { Clock } from '#kube/clock.ts';

/** Whether `promise` resolved within `ms` milliseconds. It must not reject. */
export async function within(clock: Clock, promise: Promise<unknown>, ms: number): Promise<boolean> {
  const done = new AbortController();
  const resolved = promise.then(() => {
    done.abort();
    return true;
  });
  return Promise.race([resolved, clock.sleep(ms, done.signal).then(() => done.signal.aborted)]);
}
