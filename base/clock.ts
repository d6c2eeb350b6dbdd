/** A timer that was set; cancelling one that fired or was cancelled does nothing. */
export interface Timer {
  cancel(): void;
}

/** Time, passed in wherever it is used, so that tests own it (see clock.fake.ts). */
export interface Clock {
  /** Unix time, milliseconds. */
  now(): number;
  /** Calls `fn` once after `ms` milliseconds; any length is fine, months too. */
  setTimeout(fn: () => void, ms: number): Timer;
  /** Resolves after `ms` milliseconds, or at once when `signal` is or gets aborted. Never rejects: look at the signal afterwards. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Node's timers hold 31 bits of milliseconds (24.8 days) and fire at once beyond that. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => Date.now(),
  setTimeout: setLongTimeout,
  sleep: (ms, signal) => sleepOn(setLongTimeout, ms, signal),
};

/** `sleep` in terms of `setTimeout`; for implementations of {@link Clock}. */
export function sleepOn(setTimer: Clock['setTimeout'], ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = (): void => {
      signal?.removeEventListener('abort', done);
      timer.cancel();
      resolve();
    };
    const timer = setTimer(done, ms);
    signal?.addEventListener('abort', done, { once: true });
  });
}

function setLongTimeout(fn: () => void, ms: number): Timer {
  let remaining = Math.max(0, ms);
  let handle: NodeJS.Timeout;
  const arm = (): void => {
    const part = Math.min(remaining, LONGEST_TIMER_MS);
    remaining -= part;
    handle = setTimeout(remaining > 0 ? arm : fn, part);
  };
  arm();
  return { cancel: () => clearTimeout(handle) };
}
