import { rfc3339 } from '#base/times.ts';

/** Which certificates come near their end without a successor. Pure. */

/** A certificate that somebody must see to be replaced. Times as Unix time in milliseconds. */
export interface WatchedCertificate {
  /** What it is, for people; the same for as long as it is the same certificate. */
  readonly name: string;
  readonly notBefore: number;
  readonly notAfter: number;
  /** Whether a successor is on its way already, so that only the last part of its life is worth a word. */
  readonly isReplaced?: boolean;
  /** What people can do. */
  readonly remedy: string;
}

export interface Ending {
  readonly hasEnded: boolean;
  /** What ends when and what to do; it changes only when a threshold is passed. */
  readonly sentence: string;
}

/** The parts of a life that are told of. Everything of ours is replaced before the first is reached. */
const FIRST = 0.3;
const LAST = 0.1;

/** Those with less than 30 % of their life left, the first to end first. */
export function endings(certificates: readonly WatchedCertificate[], now: number): readonly Ending[] {
  return [...certificates].sort((a, b) => a.notAfter - b.notAfter).flatMap((one) => ending(one, now) ?? []);
}

function ending(certificate: WatchedCertificate, now: number): Ending | undefined {
  const { name, notBefore, notAfter, isReplaced, remedy } = certificate;
  const left = (notAfter - now) / (notAfter - notBefore);
  const at = rfc3339(notAfter);
  if (now >= notAfter) return { hasEnded: true, sentence: `${name} ended on ${at}: ${remedy}` };
  if (left >= (isReplaced ? LAST : FIRST)) return undefined;
  const part = left < LAST ? '10 %' : '30 %';
  return {
    hasEnded: false,
    sentence: `${name} ends on ${at}, less than ${part} of its life is left: ${remedy}`,
  };
}
