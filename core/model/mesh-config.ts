import * as z from 'zod';

import { DURATION_PATTERN } from '../duration.ts';
import { DNS_LABEL_PATTERN } from '../names.ts';
import { TRUST_DOMAIN_PATTERN } from '../spiffe-id.ts';
import type { Condition, KubeObject } from '../resource.ts';

/** The MeshConfig resource: what holds for the whole mesh. Cluster-scoped; one object, named `mesh`. */

export const LEAF_TTL_LIMITS = { min: '10s', max: '8760h' } as const;

const federatedSchema = z.strictObject({
  trustDomain: z
    .string()
    .regex(new RegExp(TRUST_DOMAIN_PATTERN))
    .max(255)
    .describe('The foreign trust domain.'),
  bundle: z.string().max(65536).describe('Its root certificates, PEM.'),
});

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
        provider: z.enum(['builtin']).describe('Who holds the root key.'),
        config: z
          .record(z.string().max(253), z.string().max(16384))
          .optional()
          .describe('Settings of the provider.'),
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

export interface MeshConfigStatus {
  readonly observedGeneration?: number;
  readonly roots?: readonly RootStatus[];
  readonly conditions?: readonly Condition[];
}

export type MeshConfig = KubeObject<MeshConfigSpec, MeshConfigStatus>;
