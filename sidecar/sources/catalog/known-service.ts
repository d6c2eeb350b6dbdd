import { canonicalAddress } from '#core/net/address.ts';
import type { AmbiguousService, CatalogAddress, CatalogEntry } from '#core/model/catalog-entry.ts';
import type { BackingService, ServicePort } from '#core/model/mesh-service.ts';
import { isDnsLabel } from '#core/names.ts';
import type { NamespaceName, ServiceName } from '#core/names.ts';
import type { ServiceIdentity } from '#core/spiffe-id.ts';

/** What every sidecar keeps of every service of the mesh: as little as leads a connection there. */
export interface KnownService {
  readonly identity: ServiceIdentity;
  /** Application ports as declared in the MeshService; empty when it declares none. */
  readonly ports: readonly number[];
  readonly services: readonly BackingService[];
  /** Kubernetes Services whose addresses mean several services, and so none. */
  readonly ambiguous: readonly AmbiguousService[];
  /** Pods that may be called by their own address. */
  readonly addresses: readonly CatalogAddress[];
  /** Addresses that others claim as well. */
  readonly disputed: readonly string[];
}

const NONE: readonly never[] = Object.freeze([]);

/**
 * The compact form of a catalog entry. Who it is about is told by its name, which nobody else's can have; the rest is read
 * without trusting that it has the shape of its schema: another version may have written it.
 *
 * @param known the form before; returned again when nothing that is kept has changed
 * @throws RangeError when its name is not that of an entry
 */
export function knownService(entry: CatalogEntry, known: KnownService | undefined): KnownService {
  const { spec } = entry;
  const service: KnownService = {
    identity: identityOf(entry.metadata.name),
    ports: orNone((spec?.ports ?? []).filter(isPort)),
    services: orNone((spec?.services ?? []).map(compactService)),
    ambiguous: orNone(
      (spec?.ambiguous ?? []).map(({ name, clusterIPs }) => ({
        name,
        clusterIPs: compactAddresses(clusterIPs),
      })),
    ),
    addresses: orNone((spec?.addresses ?? []).map(compactAddress)),
    disputed: compactAddresses(spec?.disputed),
  };
  return known && JSON.stringify(known) === JSON.stringify(service) ? known : service;
}

function identityOf(name: string): ServiceIdentity {
  const [service = '', namespace = '', ...more] = name.split('.');
  if (more.length > 0 || !isDnsLabel(service) || !isDnsLabel(namespace))
    throw new RangeError(`${JSON.stringify(name)} is not the name of a catalog entry (service.namespace)`);
  return { namespace: namespace as NamespaceName, service: service as ServiceName };
}

function compactService({ name, clusterIPs, headless, ports }: BackingService): BackingService {
  return {
    name,
    clusterIPs: compactAddresses(clusterIPs),
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

function compactAddress({ address, sidecarPort, ports }: CatalogAddress): CatalogAddress {
  return {
    address: canonicalAddress(address),
    ...(isPort(sidecarPort) ? { sidecarPort } : {}),
    ...(ports === undefined ? {} : { ports: ports.filter(isPort) }),
  };
}

function compactAddresses(addresses: readonly string[] | undefined): readonly string[] {
  return orNone((addresses ?? []).filter((ip) => ip !== '' && ip !== 'None').map(canonicalAddress));
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;
}

/** Most services have nothing in most lists; one empty list serves them all. */
function orNone<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? NONE : list;
}
