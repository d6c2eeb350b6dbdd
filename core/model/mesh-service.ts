import * as z from 'zod';

import { DNS_LABEL_PATTERN } from '../names.ts';
import type { Condition, KubeObject } from '../resource.ts';

/**
 * The MeshService resource: a logical service and who may be it. Its name and namespace are the service's identity.
 * What a schema cannot say is in `mesh-service-faults.ts`.
 */

const label = z.string().regex(new RegExp(DNS_LABEL_PATTERN)).max(63);
const port = z.int().min(1).max(65535);
const SERVICE_ACCOUNT_PATTERN = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;

const portSchema = z.strictObject({
  name: z
    .string()
    .regex(new RegExp(DNS_LABEL_PATTERN))
    .max(63)
    .optional()
    .describe('A name for people and for other objects to refer to.'),
  port: port.describe('The port the application listens on inside its pod.'),
  protocol: z.enum(['tcp', 'http']).optional().describe('"tcp" (default) or "http".'),
});

const upstreamSchema = z.strictObject({
  service: label.describe('Logical name of the service to reach.'),
  namespace: label.optional().describe('Its namespace. Default: the namespace of this object.'),
  localPort: port.describe("The loopback port of this service's pods that leads there."),
  port: port.optional().describe('The port of the destination service. Default: its first port.'),
});

export const meshServiceSpecSchema = z
  .strictObject({
    serviceAccounts: z
      .array(z.string().regex(SERVICE_ACCOUNT_PATTERN).max(253))
      .max(64)
      .optional()
      .describe(
        'ServiceAccounts of this namespace whose pods may hold this identity. Default: the ServiceAccount of the same name.',
      ),
    ports: z
      .array(portSchema)
      .max(64)
      .optional()
      .describe(
        'Ports other services may connect to. Default: the target ports of the Kubernetes Service of the same name.',
      ),
    upstreams: z
      .array(upstreamSchema)
      .max(64)
      .optional()
      .describe('Local ports that lead to other services.'),
    mtls: z
      .enum(['strict', 'permissive'])
      .optional()
      .describe(
        '"strict" (default): only mutual TLS is taken. "permissive": cleartext that was redirected is taken too, led to the address of the pod that it was sent to, and counted; for migration.',
      ),
    proxy: z
      .enum(['builtin', 'native', 'haproxy', 'envoy'])
      .optional()
      .describe('What terminates mutual TLS for this service. Default: "builtin", the mesh\'s own sidecar.'),
    config: z
      .record(z.string().max(253), z.string().max(4096))
      .optional()
      .describe('Runtime configuration of this service, key to value.'),
  })
  .describe('A logical service and who may be it.');

export type MeshServiceSpec = z.infer<typeof meshServiceSpecSchema>;

/** A port of a Kubernetes Service, as sidecars need it to lead a connection to the right port of a pod. */
export interface ServicePort {
  readonly name?: string;
  readonly port: number;
  /** A number, or the name of a container port. */
  readonly targetPort: number | string;
}

/** A Kubernetes Service whose pods hold this identity. */
export interface BackingService {
  readonly name: string;
  /** Empty for a headless Service. */
  readonly clusterIPs: readonly string[];
  readonly headless: boolean;
  readonly ports: readonly ServicePort[];
}

export interface MeshServiceStatus {
  readonly observedGeneration?: number;
  readonly spiffeId?: string;
  /** All cluster IPs of `services`, for people and printer columns. */
  readonly virtualIPs?: readonly string[];
  /** What sidecars route by. */
  readonly services?: readonly BackingService[];
  readonly instances?: { readonly ready: number; readonly total: number };
  readonly leafExpiry?: { readonly earliest: string };
  readonly conditions?: readonly Condition[];
}

export type MeshService = KubeObject<MeshServiceSpec, MeshServiceStatus>;

/** The ServiceAccounts that may hold a service's identity: those written, else the one of the service's own name. */
export function allowedServiceAccounts(service: MeshService): readonly string[] {
  return service.spec?.serviceAccounts ?? [service.metadata.name];
}
