const EVERY_MS = 5;

/** What a look found, once it is not one of the values that mean "not yet". */
type Found<T> = Exclude<T, undefined | null | false | 0 | ''>;

/**
 * Waits in real time until something holds, or is there: `await eventually(() => fake.openWatches === 1)`. It looks every few
 * milliseconds.
 *
 * @param look what is waited for; anything truthy ends the wait
 * @param options `withinMs`: how long it may take, milliseconds
 * @returns what was found
 * @throws Error that shows `look` when it found nothing in time; whatever `look` throws
 */
export async function eventually<T>(
  look: () => T | Promise<T>,
  { withinMs = 10_000 }: { readonly withinMs?: number } = {},
): Promise<Found<T>> {
  for (const end = Date.now() + withinMs; ;) {
    const seen = look();
    const found = seen instanceof Promise ? await seen : seen;
    if (found) return found as Found<T>;
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${look.toString()}`);
    await pause(EVERY_MS);
  }
}

/** Lets so many milliseconds go by: for what must not happen meanwhile. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
