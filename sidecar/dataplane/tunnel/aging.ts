/** The last part of a certificate's life, by which a peer has long renewed its own. */
const AGED = 0.05;
/** Nearer to its end a certificate is not looked at again, milliseconds: no dial would come back in time. */
const TOO_LATE_MS = 100;

/** The last part of a certificate's life, milliseconds. */
export function agedMs({
  notBefore,
  notAfter,
}: {
  readonly notBefore: number;
  readonly notAfter: number;
}): number {
  return (notAfter - notBefore) * AGED;
}

/**
 * When to look again at a certificate that ends: when its last part begins, and each time half of what was left is over. The
 * moments are those of the certificate, so that whoever saw the same one looks at the same time.
 *
 * @param leftMs until it ends; negative when it has ended, as after a time in which this process stood still
 * @param aged its last part, milliseconds
 * @returns milliseconds from now; undefined when looking is of no use any more
 */
export function nextLookMs(leftMs: number, aged: number): number | undefined {
  if (leftMs <= TOO_LATE_MS) return undefined;
  let next = aged;
  while (next >= leftMs) next /= 2;
  return next < TOO_LATE_MS ? undefined : leftMs - next;
}
