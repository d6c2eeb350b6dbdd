import type { Said } from './workers.ts';

/**
 * What the sidecar as a whole still lacks, in words for people: what all lack as it is, what some lack with their numbers.
 *
 * @param said by number of the worker
 */
export function missingOfAll(said: ReadonlyMap<number, Said<readonly string[]>>): readonly string[] {
  const lackedBy = new Map<string, number[]>();
  for (const [number, one] of said) {
    for (const word of wordsOf(one)) lackedBy.set(word, [...(lackedBy.get(word) ?? []), number]);
  }
  return [...lackedBy].map(([word, numbers]) => {
    if (numbers.length === said.size) return word;
    return `${word} (${numbers.length === 1 ? 'worker' : 'workers'} ${numbers.join(' and ')})`;
  });
}

function wordsOf(said: Said<readonly string[]>): readonly string[] {
  if (said === 'gone') return ['a process that ended and is started again'];
  return said === 'silent' ? ['an answer'] : said.answer;
}
