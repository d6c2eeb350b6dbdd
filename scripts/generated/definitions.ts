import { catalogEntrySpecSchema } from '#core/model/catalog-entry.ts';
import { intentionSpecSchema } from '#core/model/intention.ts';
import { meshConfigSpecSchema } from '#core/model/mesh-config.ts';
import { meshServiceSpecSchema } from '#core/model/mesh-service.ts';
import {
  intentionStatusSchema,
  meshConfigStatusSchema,
  meshServiceStatusSchema,
} from '#core/model/status.ts';
import type { Column, Definition } from './definition.ts';

const AGE: Column = {
  name: 'Age',
  type: 'date',
  path: '.metadata.creationTimestamp',
  description: 'Time since this object was made.',
};

const INTENTION: Definition = {
  kind: 'Intention',
  plural: 'intentions',
  shortNames: ['ixn'],
  scope: 'Namespaced',
  description:
    'One rule: may connections from one service to another be made? It lives in the namespace of the service that is called.',
  spec: intentionSpecSchema,
  status: intentionStatusSchema,
  specRequired: true,
  columns: [
    { name: 'Source', type: 'string', path: '.spec.source.service', description: 'Service that calls.' },
    { name: 'Action', type: 'string', path: '.spec.action', description: 'allow or deny.' },
    {
      name: 'Destination',
      type: 'string',
      path: '.spec.destination.service',
      description: 'Service that is called.',
    },
    {
      name: 'Precedence',
      type: 'integer',
      path: '.status.precedence',
      description: '9 (most exact) to 1, overrides 19 to 11; of the rules that match, the highest decides.',
    },
    {
      name: 'Enforced',
      type: 'string',
      path: '.status.enforcedBy',
      description: 'Sidecars that enforce this version of the rule, of those that should.',
    },
    {
      name: 'Hits',
      type: 'integer',
      path: '.status.hits',
      description: 'Connections this rule has decided.',
      wide: true,
    },
    {
      name: 'Last-Used',
      type: 'date',
      path: '.status.lastUsed',
      description: 'When it decided one last.',
      wide: true,
    },
    {
      name: 'Mode',
      type: 'string',
      path: '.spec.mode',
      description: 'enforce (also when empty) or audit.',
      wide: true,
    },
    {
      name: 'Source-Namespace',
      type: 'string',
      path: '.spec.source.namespace',
      description: 'Namespace of the service that calls; empty: this one.',
      wide: true,
    },
    {
      name: 'Source-SPIFFE-ID',
      type: 'string',
      path: '.spec.source.spiffeId',
      description: 'Caller from a federated trust domain.',
      wide: true,
    },
    AGE,
  ],
};

const MESH_SERVICE: Definition = {
  kind: 'MeshService',
  plural: 'meshservices',
  shortNames: ['msvc'],
  scope: 'Namespaced',
  description:
    'A logical service of the mesh and who may be it. Its name and namespace are its identity, and the names intentions use.',
  spec: meshServiceSpecSchema,
  status: meshServiceStatusSchema,
  specRequired: false,
  columns: [
    {
      name: 'Ready',
      type: 'integer',
      path: '.status.instances.ready',
      description: 'Pods of this service that take connections.',
    },
    {
      name: 'Total',
      type: 'integer',
      path: '.status.instances.total',
      description: 'All pods of this service.',
    },
    // Lists are printed as JSON: of a path with [*] the API server prints the first value alone, which would be less than the truth.
    {
      name: 'ServiceAccounts',
      type: 'string',
      path: '.spec.serviceAccounts',
      description: 'ServiceAccounts that may hold this identity; empty: the one of the same name.',
    },
    {
      name: 'Virtual-IPs',
      type: 'string',
      path: '.status.virtualIPs',
      description: 'Cluster IPs that lead here.',
    },
    {
      name: 'mTLS',
      type: 'string',
      path: '.spec.mtls',
      description: 'strict (also when empty) or permissive.',
      wide: true,
    },
    {
      name: 'Proxy',
      type: 'string',
      path: '.spec.proxy',
      description: 'What terminates mutual TLS.',
      wide: true,
    },
    {
      name: 'SPIFFE-ID',
      type: 'string',
      path: '.status.spiffeId',
      description: 'The identity in certificates.',
      wide: true,
    },
    AGE,
  ],
};

const MESH_CONFIG: Definition = {
  kind: 'MeshConfig',
  plural: 'meshconfigs',
  shortNames: ['mcfg'],
  scope: 'Cluster',
  description:
    'What holds for the whole mesh. There is one, named "mesh"; the Helm chart\'s values write it.',
  spec: meshConfigSpecSchema,
  status: meshConfigStatusSchema,
  specRequired: false,
  columns: [
    {
      name: 'Trust-Domain',
      type: 'string',
      path: '.spec.trustDomain',
      description: 'Trust domain of every identity.',
    },
    {
      name: 'Default',
      type: 'string',
      path: '.spec.defaultAction',
      description: 'What happens where no intention matches.',
    },
    {
      name: 'Leaf-TTL',
      type: 'string',
      path: '.spec.leafTTL',
      description: 'Life of a workload certificate.',
      wide: true,
    },
    {
      name: 'CA',
      type: 'string',
      path: '.spec.ca.provider',
      description: 'Who holds the root key.',
      wide: true,
    },
    AGE,
  ],
};

const CATALOG_ENTRY: Definition = {
  kind: 'CatalogEntry',
  plural: 'catalogentries',
  shortNames: [],
  scope: 'Namespaced',
  description:
    "How one service of the mesh is reached, on the word of the operator. It lives in the mesh's own namespace; sidecars route by it. Do not write it.",
  spec: catalogEntrySpecSchema,
  specRequired: true,
  columns: [
    { name: 'Namespace', type: 'string', path: '.spec.namespace', description: 'Namespace of the service.' },
    { name: 'Service', type: 'string', path: '.spec.service', description: 'Name of the service.' },
    {
      name: 'Reached-Through',
      type: 'string',
      path: '.spec.services[*].name',
      description: 'The first Kubernetes Service that leads to it.',
    },
    {
      name: 'Ambiguous',
      type: 'string',
      path: '.spec.ambiguous[*].name',
      description: 'The first Kubernetes Service that leads to others as well.',
      wide: true,
    },
    AGE,
  ],
};

/** Every resource of the group mesh.dev. */
export const DEFINITIONS: readonly Definition[] = [INTENTION, MESH_SERVICE, MESH_CONFIG, CATALOG_ENTRY];
