import * as z from 'zod';

import { DNS_LABEL_PATTERN } from '../names.ts';
import type { KubeObject } from '../resource.ts';
import type { BackingService } from './mesh-service.ts';

/**
 * The CatalogEntry resource: how one service of the mesh is reached, on the word of the operator. It lives in the mesh's own
 * namespace, where only the operator writes, and sidecars route by it alone: an object that tenants write selects among what
 * is here and adds nothing. Its name is `service.namespace`.
 */

/** A pod that may be called by its own address, or a process outside of pods. */
export interface CatalogAddress {
  readonly address: string;
  /** Port of the sidecar there; the usual one when absent. */
  readonly sidecarPort?: number;
  /** Only these ports there are this service's: outside of pods several services share an address. All when absent. */
  readonly ports?: readonly number[];
}

/** A Kubernetes Service that pods of several mesh services stand behind, so that its address means none of them. */
export interface AmbiguousService {
  readonly name: string;
  readonly clusterIPs: readonly string[];
}

export interface CatalogEntrySpec {
  readonly namespace: string;
  readonly service: string;
  /** Application ports that the MeshService declares. */
  readonly ports?: readonly number[];
  /** Kubernetes Services that lead to this service. */
  readonly services?: readonly BackingService[];
  readonly ambiguous?: readonly AmbiguousService[];
  /** Pods behind its headless Services. */
  readonly addresses?: readonly CatalogAddress[];
  /** Addresses that others claim as well: they belong to no service, and connections to them are refused. */
  readonly disputed?: readonly string[];
}

export type CatalogEntry = KubeObject<CatalogEntrySpec>;

/**
 * How much of one namespace is published, so that whoever may write in it cannot fill every sidecar of the cluster. Far above
 * what namespaces hold in practice.
 */
export const CATALOG_LIMITS = {
  /** Services of a namespace. */
  services: 2_000,
  /** Kubernetes Services of one service of the mesh. */
  backing: 32,
  /** Ports of one Kubernetes Service, and declared ports. */
  ports: 100,
  /** Addresses of pods in a namespace. */
  addresses: 5_000,
} as const;

const label = z.string().regex(new RegExp(DNS_LABEL_PATTERN)).max(63);
const port = z.int().min(1).max(65535);
const addresses = z.array(z.string().max(45));

/** For the CustomResourceDefinition; no process reads entries by it. */
export const catalogEntrySpecSchema = z
  .strictObject({
    namespace: label.describe('Namespace of the service.'),
    service: label.describe('Logical name of the service.'),
    ports: z.array(port).max(CATALOG_LIMITS.ports).optional().describe('Ports that it declares.'),
    services: z
      .array(
        z.strictObject({
          name: z.string().max(63).describe('Name of the Kubernetes Service.'),
          clusterIPs: addresses.describe('Its cluster IPs; empty for a headless Service.'),
          headless: z.boolean().describe('Whether it is headless, so that clients connect to pod IPs.'),
          ports: z
            .array(
              z.strictObject({
                name: z.string().max(63).optional().describe('Its name in the Kubernetes Service.'),
                port: port.describe('The port clients connect to.'),
                targetPort: z
                  .union([z.int(), z.string()])
                  .describe('The port of the pod: a number, or the name of a container port.')
                  .meta({ 'x-kubernetes-int-or-string': true }),
              }),
            )
            .max(CATALOG_LIMITS.ports)
            .describe('Its ports.'),
        }),
      )
      .max(CATALOG_LIMITS.backing)
      .optional()
      .describe('Kubernetes Services that lead to this service.'),
    ambiguous: z
      .array(
        z.strictObject({
          name: z.string().max(63).describe('Name of the Kubernetes Service.'),
          clusterIPs: addresses.describe('Its cluster IPs.'),
        }),
      )
      .max(CATALOG_LIMITS.backing)
      .optional()
      .describe(
        'Kubernetes Services that lead to several services of the mesh; connections to them are refused.',
      ),
    addresses: z
      .array(
        z.strictObject({
          address: z.string().max(45).describe('IP address.'),
          sidecarPort: port.optional().describe('Port of the sidecar, where it is not 20000.'),
          ports: z.array(port).max(CATALOG_LIMITS.ports).optional().describe('Ports that are meant.'),
        }),
      )
      .max(CATALOG_LIMITS.addresses)
      .optional()
      .describe('Pods that may be called by their own address.'),
    disputed: addresses
      .max(CATALOG_LIMITS.addresses)
      .optional()
      .describe('Addresses that more than one pod claims; connections there are refused.'),
  })
  .describe('How a service of the mesh is reached. Written by the operator.');
