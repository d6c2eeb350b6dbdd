import type { Family, Labels, Sample } from './exposition.ts';
import { PEER_LABEL } from './instruments.ts';

/**
 * A family as strangers may see it: who the peers are is left out, and what was counted for each is summed.
 */
export function totalsOf(family: Family): Family {
  if (!family.labels.includes(PEER_LABEL)) return family;
  return {
    ...family,
    labels: family.labels.filter((label) => label !== PEER_LABEL),
    samples: () => sums(family.samples()),
  };
}

function sums(samples: Iterable<Sample>): Iterable<Sample> {
  const totals = new Map<string, Sample>();
  for (const { suffix, labels = {}, value } of samples) {
    const others: Labels = Object.fromEntries(
      Object.entries(labels).filter(([label]) => label !== PEER_LABEL),
    );
    const key = JSON.stringify([suffix, others]);
    const known = totals.get(key)?.value ?? 0;
    totals.set(key, { ...(suffix === undefined ? {} : { suffix }), labels: others, value: known + value });
  }
  return totals.values();
}
