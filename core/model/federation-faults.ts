import type { Fault } from '../fault.ts';
import { quoted } from '../fault.ts';
import { certificatesFault } from '../pem.ts';
import { readBundleDocument } from '../spiffe-bundle.ts';
import { parseSpiffeId } from '../spiffe-id.ts';
import type { BundleEndpoint, Federated } from './federation.ts';

/**
 * What is wrong with `spec.federation` beyond its schema. Never repeats a bundle: it may hold a key by mistake.
 *
 * @param own this mesh's trust domain
 */
export function federationFaults(federation: readonly Federated[], own: string): Fault[] {
  const known = new Set([own, ...federation.map(({ trustDomain }) => trustDomain)]);
  return federation.flatMap((foreign, index): Fault[] => {
    const place = `spec.federation[${index}]`;
    const twin = federation.findIndex((other) => other.trustDomain === foreign.trustDomain);
    const name = `${place}.trustDomain`;
    return [
      ...fault(
        foreign.trustDomain === own,
        name,
        `${quoted(own)} is this mesh's own trust domain; write the name of a foreign one`,
      ),
      ...fault(
        twin < index,
        name,
        `${quoted(foreign.trustDomain)} is there already; put all its certificates into one bundle`,
      ),
      ...sourceFaults(foreign, place, known),
    ];
  });
}

function sourceFaults(
  { trustDomain, bundle, bundleEndpoint }: Federated,
  place: string,
  known: ReadonlySet<string>,
): Fault[] {
  if (bundle !== undefined && bundleEndpoint)
    return [{ field: place, message: 'has both bundle and bundleEndpoint; write one of them' }];
  if (bundleEndpoint)
    return endpointFaults(bundleEndpoint, `${place}.bundleEndpoint`, { trustDomain, known });
  if (bundle === undefined)
    return [
      {
        field: place,
        message:
          'has neither bundle nor bundleEndpoint; write the root certificates, or where they are fetched',
      },
    ];
  return sentence(`${place}.bundle`, certificatesFault(bundle));
}

interface Domains {
  readonly trustDomain: string;
  readonly known: ReadonlySet<string>;
}

function endpointFaults(endpoint: BundleEndpoint, place: string, domains: Domains): Fault[] {
  const { url, profile, caCertificate, endpointSpiffeId, bundle } = endpoint;
  const spiffe = profile === 'https_spiffe';
  return [
    ...sentence(`${place}.url`, bundleUrlFault(url)),
    ...(spiffe ? spiffeFaults(endpoint, place, domains) : []),
    ...fault(
      !spiffe && endpointSpiffeId !== undefined,
      `${place}.endpointSpiffeId`,
      'is for the profile https_spiffe; remove it, or write that profile',
    ),
    ...fault(
      !spiffe && bundle !== undefined,
      `${place}.bundle`,
      'is for the profile https_spiffe; remove it, or write that profile',
    ),
    ...fault(
      spiffe && caCertificate !== undefined,
      `${place}.caCertificate`,
      'is for the profile https_web; an endpoint of https_spiffe is checked against bundle',
    ),
    ...sentence(
      `${place}.caCertificate`,
      caCertificate === undefined ? undefined : certificatesFault(caCertificate),
    ),
  ];
}

/** SPIFFE Federation, 5.2.2.2: an endpoint in its own trust domain needs a first bundle; another is known by its own entry. */
function spiffeFaults(
  { endpointSpiffeId, bundle }: BundleEndpoint,
  place: string,
  { trustDomain, known }: Domains,
): Fault[] {
  const name = `${place}.endpointSpiffeId`;
  const text = bundle === undefined ? [] : sentence(`${place}.bundle`, bundleTextFault(bundle));
  if (endpointSpiffeId === undefined)
    return [
      { field: name, message: `is missing; write such as "spiffe://${trustDomain}/spire/server"` },
      ...text,
    ];
  const id = parseSpiffeId(endpointSpiffeId);
  if (!id)
    return [
      {
        field: name,
        message: `${quoted(endpointSpiffeId)} is not a valid SPIFFE ID; write such as "spiffe://${trustDomain}/spire/server"`,
      },
      ...text,
    ];
  if (id.trustDomain === trustDomain) {
    const missing = `is missing; write a bundle of ${quoted(trustDomain)}, so that the first connection can be checked`;
    return [...fault(bundle === undefined, `${place}.bundle`, missing), ...text];
  }
  return [
    ...fault(
      !known.has(id.trustDomain),
      name,
      `is of trust domain ${quoted(id.trustDomain)}, which nothing here says how to check; add an entry for that trust domain`,
    ),
    ...fault(
      bundle !== undefined,
      `${place}.bundle`,
      `is for endpoints of ${quoted(trustDomain)} itself; this one is checked by the entry for ${quoted(id.trustDomain)}; remove it`,
    ),
  ];
}

/** What is wrong with the address of a bundle endpoint (SPIFFE Federation, 5.2.1.1); undefined when nothing is. */
function bundleUrlFault(text: string): string | undefined {
  if (!URL.canParse(text))
    return `${quoted(withoutUser(text))} is not a valid address; write such as "https://spire.partner.example:8443/"`;
  const url = new URL(text);
  if (url.protocol !== 'https:')
    return `begins with ${quoted(url.protocol)}: who is trusted is never read over an unprotected connection; write https://`;
  if (url.username !== '' || url.password !== '')
    return 'has a user name or password in it, which everybody could read here; remove them: bundles are public';
  return url.hash === '' ? undefined : 'has a "#" part, which no server ever sees; remove it';
}

function withoutUser(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//');
}

/** What is wrong with a bundle that may be JSON or PEM; undefined when its structure is right. */
function bundleTextFault(text: string): string | undefined {
  if (!text.trimStart().startsWith('{')) return certificatesFault(text);
  const read = readBundleDocument(text);
  if (!read.ok) return read.message;
  return read.document.certificates.length > 0
    ? undefined
    : 'has no key for X.509 (use "x509-svid" with x5c), so no workload of it could be trusted';
}

function sentence(field: string, message: string | undefined): Fault[] {
  return message === undefined ? [] : [{ field, message }];
}

function fault(wrong: boolean, field: string, message: string): Fault[] {
  return wrong ? [{ field, message }] : [];
}
