import * as z from 'zod';

import { SPIFFE_ID_PATTERN, TRUST_DOMAIN_PATTERN } from '../spiffe-id.ts';

/** Foreign trust domains of a MeshConfig: what users write, and what became of it. */

/** How a bundle endpoint proves who it is (SPIFFE Federation, 5.2). */
const BUNDLE_PROFILES = ['https_web', 'https_spiffe'] as const;

const bundleEndpointSchema = z.strictObject({
  url: z
    .string()
    .min(1)
    .max(2048)
    .describe('Where the bundle is, such as "https://spire.partner.example:8443/".'),
  profile: z
    .enum(BUNDLE_PROFILES)
    .describe(
      'How the endpoint proves who it is: "https_web" by a certificate for its host name, "https_spiffe" by an X.509-SVID.',
    ),
  endpointSpiffeId: z
    .string()
    .regex(new RegExp(SPIFFE_ID_PATTERN))
    .max(2048)
    .optional()
    .describe('For https_spiffe: the SPIFFE ID of the endpoint.'),
  bundle: z
    .string()
    .max(65536)
    .optional()
    .describe(
      'For https_spiffe: a bundle of the trust domain for the first connection, as SPIFFE bundle (JSON) or PEM. Later ones are checked against what was fetched last.',
    ),
  caCertificate: z
    .string()
    .max(65536)
    .optional()
    .describe('For https_web: who vouches for the host name, PEM. Default: the public authorities.'),
});

export const federatedSchema = z.strictObject({
  trustDomain: z
    .string()
    .regex(new RegExp(TRUST_DOMAIN_PATTERN))
    .max(255)
    .describe('The foreign trust domain.'),
  bundle: z
    .string()
    .max(65536)
    .optional()
    .describe('Its root certificates, PEM, when they are written here and kept up to date by hand.'),
  bundleEndpoint: bundleEndpointSchema
    .optional()
    .describe('Where its bundle is fetched again and again; in place of bundle.'),
});

export type Federated = z.infer<typeof federatedSchema>;
export type BundleEndpoint = NonNullable<Federated['bundleEndpoint']>;

/** What was fetched from the endpoint of a foreign trust domain. Sidecars take their trust from here. */
export interface FederationStatus {
  readonly trustDomain: string;
  /** PEM; empty when the trust domain has taken its keys back; absent before the first was fetched. */
  readonly bundle?: string;
  readonly sequence?: number;
  /** RFC 3339. When these very contents were fetched first: looking again and finding the same writes nothing. */
  readonly fetchedAt?: string;
  /** A fingerprint of the endpoint it came from, as it is written in the spec. */
  readonly endpoint?: string;
  /** What is wrong, for people; absent when nothing is. */
  readonly message?: string;
}

/** What the bundle endpoint of this mesh says of its own bundle. */
export interface OwnBundleStatus {
  readonly sequence: number;
  /** A fingerprint of the roots that this is the number of. */
  readonly id: string;
}
