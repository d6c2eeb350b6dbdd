import * as z from 'zod';

import { DURATION_PATTERN } from '../duration.ts';
import { DNS_LABEL_PATTERN } from '../names.ts';
import { TRUST_DOMAIN_PATTERN } from '../spiffe-id.ts';
import type { Condition, KubeObject } from '../resource.ts';
import { CA_PROVIDERS } from './ca-providers.ts';
import { CA_DEFAULTS, CA_KEY_TYPES, ROOT_TTL_LIMITS, ROTATION_MODES } from './ca-settings.ts';
import type { AuthorityChoice, RotationMode } from './ca-settings.ts';
import { federatedSchema } from './federation.ts';
import type { FederationStatus, OwnBundleStatus } from './federation.ts';

/** The MeshConfig resource: what holds for the whole mesh. Cluster-scoped; one object, named `mesh`. */

export const LEAF_TTL_LIMITS = { min: '10s', max: '8760h' } as const;

export const meshConfigSpecSchema = z
  .strictObject({
    trustDomain: z
      .string()
      .regex(new RegExp(TRUST_DOMAIN_PATTERN))
      .max(255)
      .optional()
      .describe(
        'Trust domain of every identity of this mesh. Default "cluster.local". Cannot be changed later.',
      ),
    datacenter: z
      .string()
      .regex(new RegExp(DNS_LABEL_PATTERN))
      .max(63)
      .optional()
      .describe('Name of this cluster inside identities. Default "dc1". Cannot be changed later.'),
    defaultAction: z
      .enum(['allow', 'deny'])
      .optional()
      .describe('What happens where no intention matches. Default "deny".'),
    leafTTL: z
      .string()
      .regex(new RegExp(DURATION_PATTERN))
      .max(32)
      .optional()
      .describe('Life of a workload certificate, such as "24h" (default); from 10s to 8760h.'),
    ca: z
      .strictObject({
        provider: z
          .enum(CA_PROVIDERS)
          .optional()
          .describe('Who holds the root key. Default "builtin". Another one takes over by a rotation.'),
        keyType: z
          .enum(CA_KEY_TYPES)
          .optional()
          .describe('Key of the builtin root. Default "ec-p256". Another one than it has begins a rotation.'),
        rootTTL: z
          .string()
          .regex(new RegExp(DURATION_PATTERN))
          .max(32)
          .optional()
          .describe(
            `Life of a new builtin root, from ${ROOT_TTL_LIMITS.min} to ${ROOT_TTL_LIMITS.max}. Default "${CA_DEFAULTS.rootTTL}". It is replaced when 70 % of it are over.`,
          ),
        rotation: z
          .strictObject({
            request: z
              .string()
              .min(1)
              .max(64)
              .describe('Any word that was not written here before, such as a date: each is done once.'),
            mode: z
              .enum(ROTATION_MODES)
              .optional()
              .describe(
                '"graceful" (default) replaces the root while both are trusted; "forced" drops the old root at once and cuts what it signed; "rehearse" checks everything and changes nothing; "abort" goes back.',
              ),
          })
          .optional()
          .describe('Asks for a new root.'),
        config: z
          .record(z.string().max(253), z.string().max(16384))
          .optional()
          .describe('Settings of the provider. Credentials are in a Secret, never here.'),
      })
      .optional()
      .describe('Certificate authority. Default: the builtin provider.'),
    federation: z
      .array(federatedSchema)
      .max(32)
      .optional()
      .describe('Foreign trust domains whose identities intentions may name.'),
  })
  .describe('What holds for the whole mesh.');

export type MeshConfigSpec = z.infer<typeof meshConfigSpecSchema>;

/** One root certificate of the mesh. */
export interface RootStatus {
  /** SHA-256 of the DER certificate, lower-case hex. */
  readonly id: string;
  readonly pem: string;
  /** Whether new leaves are signed by it. */
  readonly active: boolean;
  readonly notAfter: string;
}

export type RotationReason = 'Requested' | 'Age' | 'KeyType' | 'Provider' | 'Ended';

/** A rotation of the root that is under way. Times are RFC 3339. */
export interface RotationStatus {
  /** Preparing: the new root is being made. Published: both are trusted, the old one signs. Draining: the other one signs. */
  readonly phase: 'Preparing' | 'Published' | 'Draining';
  readonly reason: RotationReason;
  readonly forced?: boolean;
  /** Which CA is to sign; who signs now, where it is missing. */
  readonly authority?: AuthorityChoice;
  /** Ids of the roots. The new one is there from Published on. */
  readonly from: string;
  readonly to?: string;
  /** The new root as the old one signed it, PEM: with it, who trusts only the old one trusts leaves of the new one. */
  readonly crossSigned?: string;
  /** When the next phase begins at the latest: what must have ended has ended then. */
  readonly until?: string;
  /** When it may begin, once every sidecar says that it is ready for it. */
  readonly earliest?: string;
  /** What happens, for people. */
  readonly message: string;
}

/** How the last rotation, or the last request for one, ended. */
export interface RotationOutcome {
  readonly result: 'Completed' | 'Aborted' | 'Rehearsed' | 'Refused';
  readonly mode: RotationMode;
  readonly at: string;
  readonly message: string;
}

export interface MeshConfigStatus {
  readonly observedGeneration?: number;
  readonly roots?: readonly RootStatus[];
  /** Whose root it is that signs, outside a rotation; during one, whose it was before. */
  readonly authority?: AuthorityChoice;
  readonly rotation?: RotationStatus;
  readonly lastRotation?: RotationOutcome;
  /** The last `spec.ca.rotation.request` that was taken up. */
  readonly handledRequest?: string;
  /** Settings that were rehearsed or given up, as a fingerprint: by themselves they begin nothing. */
  readonly held?: string;
  /** The longest life that leaves which exist may have. Kept, because leafTTL may have been longer before. */
  readonly leaves?: { readonly ttl: string; readonly until: string };
  /** What was fetched of foreign trust domains that have a bundle endpoint. */
  readonly federation?: readonly FederationStatus[];
  /** The number of the bundle that others fetch from this mesh. */
  readonly ownBundle?: OwnBundleStatus;
  readonly conditions?: readonly Condition[];
}

export type MeshConfig = KubeObject<MeshConfigSpec, MeshConfigStatus>;
