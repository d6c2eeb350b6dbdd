import { TAG, children, contentOf } from './der.ts';

/** `[6]`, primitive: a URI in a GeneralName. */
const URI = TAG.uri;

/**
 * Whether a certificate with name constraints may sign for a trust domain (X509-SVID, 4.2; RFC 5280, 4.2.1.10). Only URI names
 * count: no other name of a certificate is ever taken from it here.
 *
 * @param constraints NameConstraints, DER
 * @throws RangeError when they are not strict DER
 */
export function permitsTrustDomain(constraints: Uint8Array, trustDomain: string): boolean {
  const parts = children(TAG.sequence, constraints);
  const permitted = uris(parts, TAG.context0);
  const excluded = uris(parts, TAG.context1);
  const covers = (constraint: string) => matches(constraint, trustDomain);
  return !excluded.some(covers) && (permitted.length === 0 || permitted.some(covers));
}

function uris(parts: readonly Uint8Array[], tag: number): readonly string[] {
  return parts
    .filter(([first]) => first === tag)
    .flatMap((part) => children(tag, part))
    .map((subtree) => children(TAG.sequence, subtree)[0] ?? new Uint8Array())
    .filter(([first]) => first === URI)
    .map((name) => Buffer.from(contentOf(URI, name)).toString('latin1').toLowerCase());
}

/** With a dot in front it is every host below, without one it is that host alone. */
function matches(constraint: string, host: string): boolean {
  return constraint.startsWith('.') ? host.endsWith(constraint) && host !== constraint : host === constraint;
}
