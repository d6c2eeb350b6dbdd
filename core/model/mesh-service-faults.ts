import { OPERATOR_SERVICE, PORTS } from '../constants.ts';
import type { Fault } from '../fault.ts';
import { quoted } from '../fault.ts';
import { nameFault } from '../names.ts';
import type { ObjectMeta } from '../resource.ts';
import { localPortFault } from '../pod/upstream.ts';
import type { MeshService, MeshServiceSpec } from './mesh-service.ts';
import { allowedServiceAccounts, meshServiceSpecSchema } from './mesh-service.ts';
import { schemaFaults } from './schema-faults.ts';
import { sharedIdentity, sharedIdentitySentence } from './service-identity.ts';

export interface MeshServiceContext {
  readonly meshNamespace: string;
}

export interface RawMeshService {
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
}

/** Everything that is wrong with a MeshService, each with what to write instead. Nothing in `spec` is trusted. Never throws. */
export function meshServiceFaults(
  service: RawMeshService,
  { meshNamespace }: MeshServiceContext,
): readonly Fault[] {
  const spec = service.spec ?? {};
  const schema = schemaFaults(meshServiceSpecSchema, spec, 'spec');
  const faults = [...identityFaults(service.metadata, meshNamespace), ...schema];
  if (schema.length > 0) return faults;
  const checked = spec as MeshServiceSpec;
  return [
    ...faults,
    ...accountFaults(checked),
    ...portFaults(checked),
    ...upstreamFaults(checked),
    ...proxyFaults(checked),
  ];
}

/** What is allowed and yet probably not meant. `others` are the other MeshServices of the namespace. */
export function meshServiceWarnings(service: MeshService, others: readonly MeshService[]): readonly string[] {
  const accounts = allowedServiceAccounts(service);
  const warnings: string[] = [];
  if (accounts.length === 0) {
    warnings.push(
      'spec.serviceAccounts is empty: no workload can be this service; leave it out for the ServiceAccount of the same name',
    );
  }
  if (service.spec?.serviceAccounts?.includes('default')) {
    warnings.push(
      'spec.serviceAccounts names "default": every pod of the namespace without a ServiceAccount of its own can be this service',
    );
  }
  const shared = sharedIdentitySentence(sharedIdentity(service.metadata.name, accounts, others));
  if (shared !== undefined) warnings.push(shared);
  return warnings;
}

function identityFaults({ name, namespace }: ObjectMeta, meshNamespace: string): Fault[] {
  const message = nameFault('service name', name);
  if (message !== undefined) return [{ field: 'metadata.name', message }];
  if (name !== OPERATOR_SERVICE || namespace !== meshNamespace) return [];
  return [
    {
      field: 'metadata.name',
      message: `${quoted(name)} in this namespace is the mesh's own operator; write another name`,
    },
  ];
}

function accountFaults({ serviceAccounts = [] }: MeshServiceSpec): Fault[] {
  return twice(serviceAccounts).map(({ index, value }) => ({
    field: `spec.serviceAccounts[${index}]`,
    message: `${quoted(value)} is there already; remove one`,
  }));
}

function portFaults({ ports = [] }: MeshServiceSpec): Fault[] {
  const reserved: readonly number[] = Object.values(PORTS);
  return [
    ...twice(ports.map(({ port }) => port)).map(({ index, value }) => ({
      field: `spec.ports[${index}].port`,
      message: `port ${value} is there already; remove one`,
    })),
    ...twice(ports.map(({ name }) => name)).map(({ index, value }) => ({
      field: `spec.ports[${index}].name`,
      message: `the name ${quoted(value)} is there already; write another one`,
    })),
    ...ports.flatMap(({ port }, index) =>
      reserved.includes(port)
        ? [
            {
              field: `spec.ports[${index}].port`,
              message: `${port} belongs to the sidecar itself; let the application listen on another port, not ${reserved.join(', ')}`,
            },
          ]
        : [],
    ),
  ];
}

function upstreamFaults({ upstreams = [], ports = [] }: MeshServiceSpec): Fault[] {
  return [
    ...twice(upstreams.map(({ localPort }) => localPort)).map(({ index, value }) => ({
      field: `spec.upstreams[${index}].localPort`,
      message: `local port ${value} leads somewhere already; write another one`,
    })),
    ...upstreams.flatMap(({ localPort }, index): Fault[] => {
      const field = `spec.upstreams[${index}].localPort`;
      const message = localPortFault(localPort);
      if (message !== undefined) return [{ field, message }];
      if (!ports.some(({ port }) => port === localPort)) return [];
      return [
        {
          field,
          message: `the application itself listens on ${localPort} (spec.ports); write another local port`,
        },
      ];
    }),
  ];
}

function proxyFaults({ proxy }: MeshServiceSpec): Fault[] {
  if (proxy === undefined || proxy === 'builtin') return [];
  return [
    {
      field: 'spec.proxy',
      message: `${quoted(proxy)} is not available in this version; write "builtin", or leave it out`,
    },
  ];
}

/** Values that stand in a list for the second time or later; absent ones do not count. */
function twice<T>(values: readonly (T | undefined)[]): { index: number; value: T }[] {
  return values.flatMap((value, index) =>
    value !== undefined && values.indexOf(value) < index ? [{ index, value }] : [],
  );
}
