/** Durations as Go and Kubernetes write them: "24h", "90m", "1h30m", "45s". */

const PARTS = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/;
export const DURATION_PATTERN = '^([0-9]+h)?([0-9]+m)?([0-9]+s)?$';

/** Milliseconds of a duration such as "1h30m"; undefined when it cannot be read or is zero. */
export function parseDuration(text: string): number | undefined {
  const match = PARTS.exec(text);
  if (!match || text === '') return undefined;
  const [hours = 0, minutes = 0, seconds = 0] = match.slice(1).map((part) => Number(part ?? 0));
  const total = ((hours * 60 + minutes) * 60 + seconds) * 1000;
  return total > 0 && Number.isSafeInteger(total) ? total : undefined;
}
