import type { X509Certificate } from 'node:crypto';

import type { TrustDomain } from '#core/spiffe-id.ts';

import { signingConstraints, signingFault, weakSignature } from './svid-constraints.ts';

/** What a path may be made of. */
export interface PathMaterial {
  readonly domain: TrustDomain;
  /** Of that trust domain alone. */
  readonly roots: readonly X509Certificate[];
  readonly intermediates: readonly X509Certificate[];
  /** Unix time, milliseconds. */
  readonly now: number;
}

/** CA certificates between leaf and root. */
const MAX_DEPTH = 4;
/** A peer chooses its intermediates, and could make as many paths of a few as it likes. */
const MAX_SIGNATURES = 32;

/**
 * Looks for a path from a certificate to a root (RFC 5280, 6.1; X509-SVID, 5.1): every link within its time, fit to sign others and
 * permitted to sign for the trust domain, no longer than any link allows, and every signature good and strong.
 *
 * @returns why there is none, as a sentence; undefined when there is one
 */
export function pathFault(leaf: X509Certificate, material: PathMaterial): string | undefined {
  if (!isWithin(leaf, material.now)) return 'the certificate is not valid at this time';
  const search = new PathSearch(material);
  if (search.leads(leaf, material.intermediates, 0)) return undefined;
  const why = search.unfit ?? unfitIssuer(leaf, material);
  return `no valid path leads to a root certificate of trust domain ${material.domain}${why === undefined ? '' : `: of a certificate in it, ${why}`}`;
}

class PathSearch {
  readonly #material: PathMaterial;
  #signatures = MAX_SIGNATURES;
  /** What kept the first one out that bears the right name, as a sentence about "it". */
  unfit: string | undefined;

  constructor(material: PathMaterial) {
    this.#material = material;
  }

  /** @param below CA certificates between this one and the leaf, this one included, that are not self-issued */
  leads(certificate: X509Certificate, others: readonly X509Certificate[], below: number): boolean {
    if (this.#material.roots.some((root) => this.#issued(root, certificate, below))) return true;
    if (this.#material.intermediates.length - others.length >= MAX_DEPTH) return false;
    return others.some((next) => {
      if (!this.#issued(next, certificate, below)) return false;
      const rest = others.filter((other) => other !== next);
      return this.leads(next, rest, below + (next.subject === next.issuer ? 0 : 1));
    });
  }

  #issued(issuer: X509Certificate, subject: X509Certificate, below: number): boolean {
    if (!subject.checkIssued(issuer) || !isWithin(issuer, this.#material.now)) return false;
    const unfit = this.#linkFault(issuer, subject, below);
    this.unfit ??= unfit;
    return unfit === undefined && this.#signatures-- > 0 && subject.verify(issuer.publicKey);
  }

  #linkFault(issuer: X509Certificate, subject: X509Certificate, below: number): string | undefined {
    const constraints = signingConstraints(issuer);
    if (!constraints) return signingFault(issuer);
    if (below > constraints.pathLength)
      return `it has ${below} CA certificates below it, and allows ${constraints.pathLength}`;
    if (!constraints.permits(this.#material.domain))
      return 'its name constraints do not permit this trust domain';
    return weakSignature(subject);
  }
}

/** OpenSSL finds no issuer in a certificate whose key usage forbids it, so that the search meets none; people want to know all the same. */
function unfitIssuer(leaf: X509Certificate, { roots, intermediates }: PathMaterial): string | undefined {
  const issuer = [...roots, ...intermediates].find(({ subject }) => subject === leaf.issuer);
  return issuer && signingFault(issuer);
}

function isWithin(certificate: X509Certificate, now: number): boolean {
  return Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);
}
