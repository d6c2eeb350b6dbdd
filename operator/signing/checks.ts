import type { SigningRefusal } from './refusal.ts';

/** One question about a request; a refusal when the answer is wrong. Pure, so that a table of inputs can test it. */
export type Check<Input> = (input: Input) => SigningRefusal | undefined;

/** The first refusal of a chain; undefined when every check is content. */
export function firstRefusal<Input>(
  chain: readonly Check<Input>[],
  input: Input,
): SigningRefusal | undefined {
  for (const check of chain) {
    const refusal = check(input);
    if (refusal) return refusal;
  }
  return undefined;
}
