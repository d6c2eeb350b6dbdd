import { X509Certificate } from 'node:crypto';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';

import { peerSpiffeId } from '#pki/peer.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';
import type { SpiffeId, TrustDomain } from '#core/spiffe-id.ts';

import { Refusal } from './refusal.ts';
import type { RefusalReason } from './refusal.ts';

/** A peer that proved who it is. Only {@link admit} makes one, and no byte of an application moves without one. */
export interface AdmittedPeer {
  readonly id: SpiffeId;
  /** When its certificate runs out, milliseconds since the epoch. */
  readonly notAfter: number;
  /** Why the peer is believed no longer, by today's bundle; undefined while it is. */
  fault(bundle: TrustBundle, now: number): Refusal | undefined;
}

/**
 * The one door to the data of a TLS connection. The handshake itself refuses nobody (`rejectUnauthorized: false`), because
 * Node would then close without saying why; everything is judged here, and what is not plainly good is refused.
 *
 * @param socket after its handshake
 * @param now milliseconds since the epoch
 * @throws Refusal saying what is wrong with the peer
 */
export function admit(socket: TLSSocket, bundle: TrustBundle, now: number): AdmittedPeer {
  if (socket.isSessionReused()) {
    throw new Refusal(
      'session-resumed',
      'the TLS session was resumed, so its certificate was not checked again',
    );
  }
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) throw new Refusal('no-client-certificate', 'the peer showed no certificate');
  if (!socket.authorized) throw chainRefusal(socket.authorizationError, certificate);
  if (socket.getProtocol() !== 'TLSv1.3')
    throw new Refusal('handshake-failed', 'the peer did not use TLS 1.3');
  const identity = peerSpiffeId(certificate);
  if (!identity.ok)
    throw new Refusal('not-a-mesh-identity', `the peer's certificate names no workload: ${identity.message}`);
  const peer = new CertifiedPeer(identity, certificate, chainOf(socket.getPeerCertificate(true)));
  const fault = peer.fault(bundle, now);
  if (fault) throw fault;
  return peer;
}

class CertifiedPeer implements AdmittedPeer {
  readonly id: SpiffeId;
  readonly notAfter: number;
  readonly #trustDomain: TrustDomain;
  readonly #certificate: X509Certificate;
  readonly #intermediates: readonly X509Certificate[];
  /** The last bundle that believed this peer: path and signatures need no second look while it stays. */
  #believedBy: TrustBundle | undefined;

  constructor(
    identity: { readonly id: SpiffeId; readonly trustDomain: TrustDomain },
    certificate: X509Certificate,
    intermediates: readonly X509Certificate[],
  ) {
    this.id = identity.id;
    this.notAfter = Date.parse(certificate.validTo);
    this.#trustDomain = identity.trustDomain;
    this.#certificate = certificate;
    this.#intermediates = intermediates;
  }

  fault(bundle: TrustBundle, now: number): Refusal | undefined {
    const source = { source: this.id };
    if (now > this.notAfter)
      return new Refusal('expired-certificate', 'the certificate of the peer has run out', source);
    if (this.#believedBy === bundle) return undefined;
    const fault = bundle.fault(this.#certificate, this.#trustDomain, {
      now,
      intermediates: this.#intermediates,
    });
    if (fault)
      return new Refusal(
        'untrusted-certificate',
        `the certificate of the peer is not trusted: ${fault}`,
        source,
      );
    this.#believedBy = bundle;
    return undefined;
  }
}

/** A peer's own word about itself, for the log line only: it was not believed. */
function claimed(certificate: X509Certificate): Readonly<Record<string, unknown>> {
  const identity = peerSpiffeId(certificate);
  return identity.ok ? { claimedSource: identity.id } : {};
}

const CHAIN_REASONS: Readonly<Record<string, RefusalReason>> = {
  CERT_HAS_EXPIRED: 'expired-certificate',
  CERT_NOT_YET_VALID: 'not-yet-valid-certificate',
};

/** @param error typed as an Error by Node and yet a string: OpenSSL's word for what failed */
function chainRefusal(error: unknown, certificate: X509Certificate): Refusal {
  const code = error instanceof Error ? error.message : String(error);
  const reason = CHAIN_REASONS[code] ?? 'untrusted-certificate';
  return new Refusal(reason, `the certificate of the peer is not trusted: ${code}`, claimed(certificate));
}

const MAX_CHAIN = 8;

/** The certificates above the leaf, as far as Node hands them out. */
function chainOf(leaf: DetailedPeerCertificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = [];
  let at = leaf;
  while (
    at.issuerCertificate &&
    at.issuerCertificate.fingerprint256 !== at.fingerprint256 &&
    chain.length < MAX_CHAIN
  ) {
    at = at.issuerCertificate;
    chain.push(new X509Certificate(at.raw));
  }
  return chain;
}
