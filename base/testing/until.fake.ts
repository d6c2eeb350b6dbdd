/**
 * Waits in real time until something holds: `await until(() => fake.openWatches === 1)`.
 *
 * @throws Error when it does not within `ms` milliseconds
 */
export async function until(condition: () => boolean, ms = 10_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end)
      throw new Error(`within ${ms} ms this did not come to hold: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The error a promise is rejected with; undefined when it is not. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}
