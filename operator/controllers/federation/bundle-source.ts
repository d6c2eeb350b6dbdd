import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import type { RequestOptions } from 'node:https';

import { quoted } from '#core/fault.ts';
import type { BundleEndpoint } from '#core/model/federation.ts';
import { MAX_BUNDLE_LENGTH } from '#core/spiffe-bundle.ts';
import type { Clock } from '#base/clock.ts';
import { Deadline } from '#base/deadline.ts';
import { httpsExchange } from '#base/https-exchange.ts';
import type { HttpsResponse } from '#base/https-exchange.ts';
import { failureText } from '#base/error-text.ts';
import { peerSpiffeId } from '#pki/peer.ts';

/** Fetches the text of a bundle; fakes hand one out. */
export type BundleSource = (
  endpoint: BundleEndpoint,
  /** For https_spiffe: whom to trust about the endpoint, all of its own trust domain. */
  authorities: readonly X509Certificate[],
  signal: AbortSignal,
) => Promise<string>;

const TIMEOUT_MS = 10_000;

/**
 * Fetches bundles over HTTPS (SPIFFE Federation, 5.2): the endpoint must prove who it is before a byte is trusted, and its answer
 * is bounded in size and time. Redirects are not followed: the address that a person wrote down is the one that is asked (7.5.1).
 * The source throws an Error with a sentence.
 */
export function httpsBundleSource(clock: Clock): BundleSource {
  return async (endpoint, authorities, signal) => {
    const late = new Error(`no answer within ${TIMEOUT_MS / 1000} s`);
    const deadline = new Deadline(clock, signal).within(TIMEOUT_MS, () => late);
    try {
      return bundleOf(
        await httpsExchange(optionsOf(endpoint, authorities, deadline.signal), {
          maxBytes: MAX_BUNDLE_LENGTH,
        }),
      );
    } catch (error) {
      signal.throwIfAborted();
      throw new Error(`the endpoint cannot be read: ${failureText(deadline.signal.aborted ? late : error)}`, {
        cause: error,
      });
    } finally {
      deadline.clear();
    }
  };
}

function optionsOf(
  { url, profile, caCertificate, endpointSpiffeId = '' }: BundleEndpoint,
  authorities: readonly X509Certificate[],
  signal: AbortSignal,
): RequestOptions {
  const { hostname, port, pathname, search } = new URL(url);
  const proof =
    profile === 'https_spiffe'
      ? {
          ca: authorities.map(String),
          checkServerIdentity: (_host: string, { raw }: { raw: Buffer }) =>
            strangerFault(raw, endpointSpiffeId),
        }
      : caCertificate === undefined
        ? {}
        : { ca: caCertificate };
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: port || 443,
    path: pathname + search,
    headers: { accept: 'application/json', 'user-agent': 'mesh-operator' },
    // A resumed session would not be looked at again.
    agent: new Agent({ keepAlive: false, maxCachedSessions: 0 }),
    signal,
    ...proof,
  };
}

/** The rules for the leaf of an X509-SVID (5.2); its path to an authority was found before. */
function strangerFault(der: Buffer, expected: string): Error | undefined {
  const who = peerSpiffeId(new X509Certificate(der));
  if (!who.ok) return new Error(`its certificate is not a valid X.509-SVID: ${who.message}`);
  if (who.id !== expected) return new Error(`it is ${quoted(who.id)} instead of ${quoted(expected)}`);
  return undefined;
}

function bundleOf({ status, headers, text }: HttpsResponse): string {
  if (status >= 300 && status < 400)
    throw new Error(
      `it answers with a redirect to ${quoted(headers.location ?? '')}, which is not followed; write the address where the bundle is`,
    );
  if (status !== 200) throw new Error(`it answers with status ${status}`);
  return text;
}
