import { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';

import { errorText } from '#base/error-text.ts';
import { readCertificates } from '#pki/pem.ts';
import { peerSpiffeId } from '#pki/peer.ts';
import { signingFault } from '#pki/svid-constraints.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';
import type { RefusalReason } from '#core/refusals.ts';
import type { SpiffeId, TrustDomain } from '#core/spiffe-id.ts';

import type { IdentitySnapshot } from '../interfaces/identity-source.ts';

import { ConnectionRefusal } from '../refusals/refusal.ts';

/** A peer that proved who it is. Only {@link admit} makes one, and no byte of an application moves without one. */
export interface AdmittedPeer {
  readonly id: SpiffeId;
  /** When its certificate begins to be good, Unix time, milliseconds. */
  readonly notBefore: number;
  /** When its certificate expires, Unix time, milliseconds. */
  readonly notAfter: number;
  /** The certificates that say so, its own first, as PEM: what another process needs to judge it too. */
  readonly shown: readonly string[];
  /** Why the peer is trusted no longer, by today's bundle; undefined while it is. */
  fault(bundle: TrustBundle, now: number): ConnectionRefusal | undefined;
}

/** What a handshake leans on to find a path from a peer's certificate to a root. */
export interface HandshakeTrust {
  readonly bundle: TrustBundle;
  /** Those of our own chain: peers of this mesh have mostly the same, and Node does not always hand out theirs. */
  readonly intermediates: readonly X509Certificate[];
}

export function trustOf({ svid, bundle }: IdentitySnapshot): HandshakeTrust {
  return { bundle, intermediates: readCertificates(svid.certChainPem).slice(1) };
}

/**
 * The one way to the data of a TLS connection. The handshake itself refuses nobody (`rejectUnauthorized: false`), because
 * Node would then close without saying why; everything is judged here, and what is not plainly good is refused.
 *
 * @param socket after its handshake
 * @param trust what the handshake was made with
 * @param now Unix time, milliseconds
 * @param side which this process is; of a client the leaf alone is looked at, see {@link leafOf}
 * @throws ConnectionRefusal saying what is wrong with the peer
 */
export function admit(
  socket: TLSSocket,
  trust: HandshakeTrust,
  now: number,
  side: 'server' | 'client',
): AdmittedPeer {
  if (socket.isSessionReused()) {
    throw new ConnectionRefusal(
      'session-resumed',
      'the TLS session was resumed, so its certificate was not checked again',
    );
  }
  const certificate = side === 'server' ? leafOf(socket) : socket.getPeerX509Certificate();
  if (!certificate) throw new ConnectionRefusal('no-client-certificate', 'the peer showed no certificate');
  if (!socket.authorized) throw chainRefusal(socket.authorizationError, certificate);
  if (socket.getProtocol() !== 'TLSv1.3')
    throw new ConnectionRefusal('handshake-failed', 'the peer did not use TLS 1.3');
  const identity = peerSpiffeId(certificate);
  if (!identity.ok)
    throw new ConnectionRefusal(
      'not-a-mesh-identity',
      `the peer's certificate names no workload: ${identity.message}`,
    );
  return CertifiedPeer.of(identity, {
    certificate,
    intermediates: [...chainOf(certificate), ...trust.intermediates],
    bundle: trust.bundle,
    now,
  });
}

/**
 * Judges a peer by the certificates that it showed to another process of this sidecar, which saw it use the key of the first.
 *
 * @param shown its own first, as PEM
 * @param now Unix time, milliseconds
 * @throws ConnectionRefusal saying what is wrong with them
 */
export function admitShown(shown: readonly string[], bundle: TrustBundle, now: number): AdmittedPeer {
  const [certificate, ...intermediates] = shown.map(readCertificate);
  if (!certificate) throw new ConnectionRefusal('no-client-certificate', 'the peer showed no certificate');
  const identity = peerSpiffeId(certificate);
  if (!identity.ok)
    throw new ConnectionRefusal(
      'not-a-mesh-identity',
      `the peer's certificate names no workload: ${identity.message}`,
    );
  return CertifiedPeer.afresh(identity, { certificate, intermediates, bundle, now });
}

function readCertificate(pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new ConnectionRefusal(
      'untrusted-certificate',
      'what the peer is said to have shown is not a certificate',
    );
  }
}

interface Proof {
  readonly certificate: X509Certificate;
  readonly intermediates: readonly X509Certificate[];
  readonly bundle: TrustBundle;
  readonly now: number;
}

class CertifiedPeer implements AdmittedPeer {
  readonly id: SpiffeId;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly #trustDomain: TrustDomain;
  readonly #certificate: X509Certificate;
  readonly #intermediates: readonly X509Certificate[];
  /** The last bundle that trusted this peer: path and signatures need no second look while its roots stay. */
  #trustedBy: TrustBundle | undefined;

  private constructor(
    { id, trustDomain }: { readonly id: SpiffeId; readonly trustDomain: TrustDomain },
    { certificate, intermediates }: Proof,
  ) {
    this.id = id;
    this.notBefore = Date.parse(certificate.validFrom);
    this.notAfter = Date.parse(certificate.validTo);
    this.#trustDomain = trustDomain;
    this.#certificate = certificate;
    this.#intermediates = intermediates;
  }

  /**
   * OpenSSL has found a path to some root. With roots of one trust domain only, that is the peer's or the peer is refused;
   * with several, the path must be found again among those of the peer's own domain. So it must where a certificate between
   * them is one that OpenSSL takes and X509-SVID does not.
   *
   * @throws ConnectionRefusal
   */
  static of(
    identity: { readonly id: SpiffeId; readonly trustDomain: TrustDomain },
    proof: Proof,
  ): CertifiedPeer {
    const peer = new CertifiedPeer(identity, proof);
    const [domain, ...others] = proof.bundle.trustDomains;
    const isFit = proof.intermediates.every((each) => signingFault(each) === undefined);
    if (others.length === 0 && domain === identity.trustDomain && isFit) peer.#trustedBy = proof.bundle;
    const fault = peer.fault(proof.bundle, proof.now);
    if (fault) throw fault;
    return peer;
  }

  /**
   * Nobody has looked for a path to a root yet.
   *
   * @throws ConnectionRefusal
   */
  static afresh(
    identity: { readonly id: SpiffeId; readonly trustDomain: TrustDomain },
    proof: Proof,
  ): CertifiedPeer {
    const peer = new CertifiedPeer(identity, proof);
    const fault = peer.fault(proof.bundle, proof.now);
    if (fault) throw fault;
    return peer;
  }

  get shown(): readonly string[] {
    return [this.#certificate, ...this.#intermediates].map(String);
  }

  fault(bundle: TrustBundle, now: number): ConnectionRefusal | undefined {
    const source = { source: this.id };
    if (now > this.notAfter) {
      return new ConnectionRefusal('expired-certificate', 'the certificate of the peer has run out', source);
    }
    if (!this.#stillTrusted(bundle)) {
      const options = { now, intermediates: this.#intermediates };
      const fault = bundle.fault(this.#certificate, this.#trustDomain, options);
      if (fault) {
        return new ConnectionRefusal(
          'untrusted-certificate',
          `the certificate of the peer is not trusted: ${fault}`,
          source,
        );
      }
    }
    this.#trustedBy = bundle;
    return undefined;
  }

  /** More roots than before take nothing away: the path that led to one of the old ones still does. */
  #stillTrusted(bundle: TrustBundle): boolean {
    if (this.#trustedBy === bundle) return true;
    if (!this.#trustedBy) return false;
    const roots = new Set(bundle.rootsOf(this.#trustDomain).map((root) => root.fingerprint256));
    return this.#trustedBy.rootsOf(this.#trustDomain).every((root) => roots.has(root.fingerprint256));
  }
}

/** A peer's own word about itself, for the log line only: it was not trusted. */
function claimed(certificate: X509Certificate): Readonly<Record<string, unknown>> {
  const identity = peerSpiffeId(certificate);
  return identity.ok ? { claimedSource: identity.id } : {};
}

const CHAIN_REASONS: Readonly<Record<string, RefusalReason>> = {
  CERT_HAS_EXPIRED: 'expired-certificate',
  CERT_NOT_YET_VALID: 'not-yet-valid-certificate',
};

/** @param error typed as an Error by Node and yet a string: OpenSSL's word for what failed */
function chainRefusal(error: unknown, certificate: X509Certificate): ConnectionRefusal {
  const code = errorText(error);
  const reason = CHAIN_REASONS[code] ?? 'untrusted-certificate';
  return new ConnectionRefusal(
    reason,
    `the certificate of the peer is not trusted: ${code}`,
    claimed(certificate),
  );
}

/**
 * The leaf that a client showed. `getPeerX509Certificate` would keep whatever else it showed, see `TlsAcceptor`. What a client shows above
 * its leaf is for OpenSSL alone, so a federated one behind an intermediate that is not in the bundle is refused.
 */
function leafOf(socket: TLSSocket): X509Certificate | undefined {
  const { raw } = socket.getPeerCertificate(false) as { readonly raw?: Buffer };
  return raw && new X509Certificate(raw);
}

const MAX_CHAIN = 8;

/** The certificates above a server's leaf. (`getPeerCertificate(true)` knows no more and takes milliseconds.) */
function chainOf(leaf: X509Certificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next = leaf.issuerCertificate;
  while (next && chain.length < MAX_CHAIN) {
    chain.push(next);
    next = next.issuerCertificate;
  }
  return chain;
}
