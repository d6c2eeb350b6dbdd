import type { BackingService, MeshService, ServicePort } from '#core/model/mesh-service.ts';
import { isDnsLabel } from '#core/names.ts';
import type { NamespaceName, ServiceName } from '#core/names.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';

/** What every sidecar keeps of every MeshService: as little as leads a connection there. */
export interface CatalogEntry {
  readonly identity: ServiceIdentity;
  /** Application ports as declared in the spec; empty when it declares none. */
  readonly ports: readonly number[];
  readonly services: readonly BackingService[];
  /** Only for the own service. */
  readonly own?: OwnPart;
}

/** What only the service itself is concerned with. */
export interface OwnPart {
  readonly mtls: 'strict' | 'permissive';
  readonly upstreams: readonly {
    readonly service: string;
    readonly namespace?: string;
    readonly localPort: number;
    readonly port?: number;
  }[];
}

const NONE: readonly never[] = Object.freeze([]);

/**
 * The compact form of a MeshService, read without believing that it has the shape of its schema: another version may have
 * written it.
 *
 * @param known the entry before; returned again when nothing that is kept has changed, so that a write of counts is no change
 */
export function catalogEntry(
  service: MeshService,
  own: boolean,
  known: CatalogEntry | undefined,
): CatalogEntry {
  const { namespace = '', name } = service.metadata;
  const { spec, status } = service;
  const entry: CatalogEntry = {
    identity: { namespace: namespace as NamespaceName, service: name as ServiceName },
    ports: orNone((spec?.ports ?? []).map(({ port }) => port).filter(isPort)),
    services: orNone((status?.services ?? []).map(compactService)),
    ...(own
      ? {
          own: {
            mtls: spec?.mtls === 'permissive' ? 'permissive' : 'strict',
            upstreams: compactUpstreams(service),
          } as const,
        }
      : {}),
  };
  return known && JSON.stringify(known) === JSON.stringify(entry) ? known : entry;
}

function compactService({ name, clusterIPs, headless, ports }: BackingService): BackingService {
  return {
    name,
    clusterIPs: orNone((clusterIPs ?? []).filter((ip) => ip !== '' && ip !== 'None').map(canonicalAddress)),
    headless: headless === true,
    ports: orNone(
      (ports ?? [])
        .filter(({ port }) => isPort(port))
        .map(({ name: portName, port, targetPort }): ServicePort => ({
          ...(portName ? { name: portName } : {}),
          port,
          targetPort: targetPort ?? port,
        })),
    ),
  };
}

function compactUpstreams({ spec }: MeshService): OwnPart['upstreams'] {
  return (spec?.upstreams ?? [])
    .filter(
      ({ service, namespace, localPort }) =>
        isDnsLabel(service) && (namespace === undefined || isDnsLabel(namespace)) && isPort(localPort),
    )
    .map(({ service, namespace, localPort, port }) => ({
      service,
      ...(namespace === undefined ? {} : { namespace }),
      localPort,
      ...(port === undefined ? {} : { port }),
    }));
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;
}

/** Most entries have nothing in most lists; one empty list serves them all. */
function orNone<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NONE : list;
}

/** One spelling for one address, so that it can be a key: IPv6 as RFC 5952 writes it. */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address;
  try {
    return new URL(`http://[${address}]/`).hostname.slice(1, -1);
  } catch {
    return address;
  }
}
