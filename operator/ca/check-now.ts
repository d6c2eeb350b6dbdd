import type { CaProvider } from './provider.ts';

/** Many times what an authority that is there needs. */
const ANSWER_MS = 10_000;

/**
 * Looks whether an authority is there and would sign, without waiting for one that is away: whoever asked for it is to be told why not.
 *
 * @param answerMs how long it may take, milliseconds
 * @throws Error that says what is wrong
 */
export async function checkNow(
  provider: Pick<CaProvider, 'name' | 'check'>,
  answerMs = ANSWER_MS,
): Promise<void> {
  const limit = AbortSignal.timeout(answerMs);
  try {
    await provider.check(limit);
  } catch (error) {
    throw limit.aborted ? new Error(`${provider.name} did not answer within ${answerMs / 1000} s`) : error;
  }
}
