import * as z from 'zod';

import type { Condition } from '../resource.ts';
import type { FederationStatus, OwnBundleStatus } from './federation.ts';
import type { IntentionStatus } from './intention.ts';
import { CA_PROVIDERS } from './ca-providers.ts';
import { ROTATION_MODES } from './ca-settings.ts';
import type { AuthorityChoice } from './ca-settings.ts';
import type { MeshConfigStatus, RootStatus, RotationOutcome, RotationStatus } from './mesh-config.ts';
import type { BackingService, MeshServiceStatus, ServicePort } from './mesh-service.ts';

/**
 * What the status of our resources looks like to the API server: the part of the CustomResourceDefinitions that users
 * read and only the mesh writes. Kept apart from the models, since no process checks a status at run time.
 */

/** One schema for each field of the type, so that a field added to the type and not here does not compile. */
type Fields<T> = { readonly [Key in keyof T]-?: z.ZodType<T[Key]> };

const count = z.int().min(0);
const time = z.iso.datetime();

const condition = z.object({
  type: z.string().max(316).describe('What is said, such as "Accepted".'),
  status: z.enum(['True', 'False', 'Unknown']).describe('Whether it is so.'),
  reason: z.string().max(1024).describe('Why, as one word for machines.'),
  message: z.string().max(32768).describe('Why, as a sentence for people.'),
  lastTransitionTime: time.describe('When status changed last.'),
  observedGeneration: count.exactOptional().describe('The metadata.generation this was said about.'),
} satisfies Fields<Condition>);

const conditions = z
  .array(condition)
  .describe('What holds for this object now.')
  .meta({ 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['type'] });

const observedGeneration = count.describe('The newest metadata.generation the operator has acted on.');

export const intentionStatusSchema = z
  .object({
    precedence: count
      .exactOptional()
      .describe(
        '9 (both service names written out) to 1 (wildcards only), and ten more for an override: 19 to 11. Of the rules that match a connection the highest decides.',
      ),
    observedGeneration: observedGeneration.exactOptional(),
    enforcedBy: z
      .string()
      .exactOptional()
      .describe('"41/42": sidecars that enforce this version of the rule, of those that should.'),
    hits: count.exactOptional().describe('Connections this rule has decided.'),
    lastUsed: time.exactOptional().describe('When this rule decided a connection last.'),
    conditions: conditions.exactOptional(),
  } satisfies Fields<IntentionStatus>)
  .describe('What became of the rule. Written by the mesh.');

const servicePort = z.object({
  name: z.string().exactOptional().describe('Its name in the Kubernetes Service.'),
  port: count.describe('The port clients connect to.'),
  targetPort: z
    .union([z.int(), z.string()])
    .describe('The port of the pod: a number, or the name of a container port.')
    .meta({ 'x-kubernetes-int-or-string': true }),
} satisfies Fields<ServicePort>);

const backingService = z.object({
  name: z.string().describe('Name of the Kubernetes Service.'),
  clusterIPs: z.array(z.string()).describe('Its cluster IPs; empty for a headless Service.'),
  headless: z.boolean().describe('Whether it is headless, so that clients connect to pod IPs.'),
  ports: z.array(servicePort).describe('Its ports.'),
} satisfies Fields<BackingService>);

export const meshServiceStatusSchema = z
  .object({
    observedGeneration: observedGeneration.exactOptional(),
    spiffeId: z.string().exactOptional().describe('The identity in the certificates of this service.'),
    virtualIPs: z
      .array(z.string())
      .exactOptional()
      .describe('Cluster IPs through which this service is reached.'),
    services: z
      .array(backingService)
      .exactOptional()
      .describe('Kubernetes Services whose pods hold this identity; sidecars route by them.'),
    instances: z
      .object({
        ready: count.describe('Pods that take connections.'),
        total: count.describe('All pods.'),
      } satisfies Fields<NonNullable<MeshServiceStatus['instances']>>)
      .exactOptional()
      .describe('Pods of this service that are in the mesh. May lag by some seconds.'),
    leafExpiry: z
      .object({ earliest: time.describe('The earliest end.') } satisfies Fields<
        NonNullable<MeshServiceStatus['leafExpiry']>
      >)
      .exactOptional()
      .describe('When certificates of this service end.'),
    conditions: conditions.exactOptional(),
  } satisfies Fields<MeshServiceStatus>)
  .describe('What the mesh knows of the service. Written by the mesh.');

const root = z.object({
  id: z.string().describe('SHA-256 of the certificate (DER), in hexadecimal.'),
  pem: z.string().describe('The certificate, PEM.'),
  active: z.boolean().describe('Whether new certificates are signed by it.'),
  notAfter: time.describe('When it ends.'),
} satisfies Fields<RootStatus>);

const authority = z.object({
  provider: z.enum(CA_PROVIDERS).describe('Who holds the root key.'),
  config: z.record(z.string(), z.string()).exactOptional().describe('How it is reached.'),
} satisfies Fields<AuthorityChoice>);

const rotation = z.object({
  phase: z
    .enum(['Preparing', 'Published', 'Draining'])
    .describe(
      'Preparing: the new root is being made. Published: both are trusted and the old one signs. Draining: the other one signs, until what the first signed has ended.',
    ),
  reason: z.enum(['Requested', 'Age', 'KeyType', 'Provider', 'Ended']).describe('Why it began.'),
  forced: z.boolean().exactOptional().describe('Whether the old root was dropped at once.'),
  authority: authority.exactOptional().describe('Which CA is to sign.'),
  from: z.string().describe('Id of the old root.'),
  to: z.string().exactOptional().describe('Id of the new root, once there is one.'),
  crossSigned: z
    .string()
    .exactOptional()
    .describe(
      'The new root as the old one signed it, PEM. Comes with every certificate that the new root signs.',
    ),
  until: time.exactOptional().describe('When the next phase begins at the latest.'),
  earliest: time
    .exactOptional()
    .describe('When the next phase begins, if every sidecar says by then that it is ready.'),
  message: z.string().describe('What happens.'),
} satisfies Fields<RotationStatus>);

const rotationOutcome = z.object({
  result: z.enum(['Completed', 'Aborted', 'Rehearsed', 'Refused']).describe('How it ended.'),
  mode: z.enum(ROTATION_MODES).describe('What was asked for.'),
  at: time.describe('When.'),
  message: z.string().describe('What was done, or why nothing was.'),
} satisfies Fields<RotationOutcome>);

const leaves = z.object({
  ttl: z.string().describe('Life of the certificates that are signed now.'),
  until: time.describe('When the last of those ends that were signed with a longer life.'),
} satisfies Fields<NonNullable<MeshConfigStatus['leaves']>>);

const federated = z.object({
  trustDomain: z.string().describe('The foreign trust domain.'),
  bundle: z
    .string()
    .exactOptional()
    .describe(
      'Its root certificates as fetched last, PEM. Empty: it has taken all its keys back, and no workload of it is trusted.',
    ),
  sequence: count
    .exactOptional()
    .describe(
      'The highest number that was fetched with these certificates, where they have one; an older bundle is refused.',
    ),
  fetchedAt: time.exactOptional().describe('When these contents were fetched first.'),
  endpoint: z.string().exactOptional().describe('A fingerprint of the endpoint they came from.'),
  message: z.string().exactOptional().describe('What is wrong.'),
} satisfies Fields<FederationStatus>);

const ownBundle = z.object({
  sequence: count.describe('Its number; grows with every change of the roots.'),
  id: z.string().describe('A fingerprint of the roots that have this number.'),
} satisfies Fields<OwnBundleStatus>);

export const meshConfigStatusSchema = z
  .object({
    observedGeneration: observedGeneration.exactOptional(),
    roots: z
      .array(root)
      .exactOptional()
      .describe('Root certificates of the mesh. Every sidecar trusts exactly these.'),
    authority: authority
      .exactOptional()
      .describe('Whose root signs; during a rotation, whose signed before it.'),
    rotation: rotation.exactOptional().describe('The rotation of the root that is under way.'),
    lastRotation: rotationOutcome.exactOptional().describe('How the last one ended.'),
    handledRequest: z
      .string()
      .exactOptional()
      .describe('The last spec.ca.rotation.request that was taken up.'),
    held: z
      .string()
      .exactOptional()
      .describe(
        'A fingerprint of settings that were rehearsed or given up; they begin no rotation by themselves.',
      ),
    leaves: leaves.exactOptional().describe('How long certificates live that were signed so far.'),
    federation: z
      .array(federated)
      .exactOptional()
      .describe('Bundles of foreign trust domains that were fetched. Sidecars trust exactly these.'),
    ownBundle: ownBundle
      .exactOptional()
      .describe('The bundle of this mesh, as its bundle endpoint hands it out.'),
    conditions: conditions.exactOptional(),
  } satisfies Fields<MeshConfigStatus>)
  .describe('What the operator has made of it. Written by the mesh.');
