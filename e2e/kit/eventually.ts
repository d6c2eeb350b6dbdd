import { setTimeout as sleep } from 'node:timers/promises';

/**
 * Asks until the answer is not undefined, and gives it.
 *
 * @param what what is waited for, in words: it stands in the error
 * @param timeoutMs generous: a noisy machine must not fail a test
 * @throws Error naming what did not happen, with the last error that `ask` threw
 */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  { timeoutMs = 60_000, everyMs = 200 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      const cause =
        last instanceof Error
          ? last.message
          : last === undefined
            ? 'no error, but not so'
            : JSON.stringify(last);
      throw new Error(`after ${timeoutMs / 1000} s still not: ${what}\n${cause}`);
    }
    await sleep(everyMs);
  }
}
