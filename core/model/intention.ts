import * as z from 'zod';

import { LABEL_OR_WILDCARD_PATTERN } from '../names.ts';
import { SPIFFE_ID_PATTERN } from '../spiffe-id.ts';
import type { Condition, KubeObject } from '../resource.ts';

/**
 * The Intention resource: one rule for one edge, source to destination. It lives in the destination's namespace, so that
 * Kubernetes RBAC on that namespace says who may write rules for its services.
 *
 * The schema is what the CustomResourceDefinition is generated from; what a schema cannot say is in `intention-faults.ts`.
 */

const sourceSchema = z
  .strictObject({
    service: z
      .string()
      .regex(new RegExp(LABEL_OR_WILDCARD_PATTERN))
      .max(63)
      .optional()
      .describe(
        'Logical name of the calling service, or "*" for every service. Write this or spiffeId, not both.',
      ),
    namespace: z
      .string()
      .regex(new RegExp(LABEL_OR_WILDCARD_PATTERN))
      .max(63)
      .optional()
      .describe(
        'Namespace of the calling service, or "*" for every namespace (then service must be "*" too). Default: the namespace of this object.',
      ),
    spiffeId: z
      .string()
      .regex(new RegExp(SPIFFE_ID_PATTERN))
      .max(2048)
      .optional()
      .describe('A caller from a federated trust domain, by its whole SPIFFE ID.'),
  })
  .describe('Who calls.');

const destinationSchema = z
  .strictObject({
    service: z
      .string()
      .regex(new RegExp(LABEL_OR_WILDCARD_PATTERN))
      .max(63)
      .describe('Logical name of the service that is called, or "*" for every service of the namespace.'),
    namespace: z
      .string()
      .regex(new RegExp(LABEL_OR_WILDCARD_PATTERN))
      .max(63)
      .optional()
      .describe(
        'Default and normally only value: the namespace of this object. "*" (every namespace) is allowed in the mesh\'s own namespace, together with service "*".',
      ),
  })
  .describe('Who is called.');

export const intentionSpecSchema = z
  .strictObject({
    source: sourceSchema,
    destination: destinationSchema,
    action: z.enum(['allow', 'deny']).describe('What happens to connections from source to destination.'),
    mode: z
      .enum(['enforce', 'audit'])
      .optional()
      .describe(
        '"enforce" (default): the rule decides. "audit": the rule is reported where it would have decided otherwise, and never decides.',
      ),
    expiresAt: z.iso
      .datetime()
      .optional()
      .describe('The rule expires at this time (RFC 3339, UTC), for access that is granted for a while.'),
    override: z
      .boolean()
      .optional()
      .describe(
        "true: the rule stands above all rules without this, allow or deny. There destination.namespace may be any namespace. Counts in the mesh's own namespace only; elsewhere it is refused and has no effect.",
      ),
    description: z.string().max(512).optional().describe('Why this rule exists.'),
  })
  .describe('One rule: may source connect to destination?');

export type IntentionSpec = z.infer<typeof intentionSpecSchema>;
export type Action = IntentionSpec['action'];

export interface IntentionStatus {
  readonly precedence?: number;
  readonly observedGeneration?: number;
  /** "41/42": sidecars that enforce this generation, of those that should. Absent until sidecars report. */
  readonly enforcedBy?: string;
  readonly hits?: number;
  readonly lastUsed?: string;
  readonly conditions?: readonly Condition[];
}

export type Intention = KubeObject<IntentionSpec, IntentionStatus>;
