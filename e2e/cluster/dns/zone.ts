import { isIPv6 } from 'node:net';

/** A Service, as much of it as names depend on. */
export interface Service {
  name: string;
  namespace: string;
  /** One per address family; none when it is headless. */
  clusterIps: string[];
  /** For a Service that is only another name. */
  externalName?: string;
  ports: { name: string; port: number; protocol: string }[];
}

/** The addresses behind a Service: one EndpointSlice, of which a Service may have several. */
export interface Slice {
  /** The Service's name. */
  name: string;
  namespace: string;
  addresses: { ip: string; hostname?: string }[];
  ports: { name: string; port: number; protocol: string }[];
}

/** One record of an answer. */
export interface DnsRecord {
  name: string;
  type: string;
  data: unknown;
}

/** What the zone says to a question; `exists: false` becomes NXDOMAIN, no records but `exists` an empty answer. */
export interface ZoneAnswer {
  exists: boolean;
  records: DnsRecord[];
}

const nothing: ZoneAnswer = { exists: false, records: [] };

/** The names of the cluster, in the form that Kubernetes specifies for its DNS (version 1.1.0). */
export class Zone {
  readonly domain: string;
  readonly #services = new Map<string, Service>();
  readonly #slices = new Map<string, Slice[]>();

  /** @param domain the cluster's domain, `cluster.local` */
  constructor(domain: string) {
    this.domain = domain;
  }

  /** Takes a new complete list of Services. */
  setServices(services: Service[]): void {
    this.#services.clear();
    for (const service of services) this.#services.set(key(service.namespace, service.name), service);
  }

  /** Takes a new complete list of slices. */
  setSlices(slices: Slice[]): void {
    this.#slices.clear();
    for (const slice of slices) {
      const place = key(slice.namespace, slice.name);
      this.#slices.set(place, [...(this.#slices.get(place) ?? []), slice]);
    }
  }

  /**
   * Answers a question about a name, with or without its last dot, in any case.
   * @param type `A`, `SRV`, ... ; names exist for every type
   */
  answer(name: string, type: string): ZoneAnswer {
    const suffix = `.svc.${this.domain}`;
    const plain = name.toLowerCase().replace(/\.$/, '');
    if (!plain.endsWith(suffix))
      return { ...nothing, exists: `svc.${this.domain}`.endsWith(plain) && plain !== '' };
    const labels = plain.slice(0, -suffix.length).split('.');
    const namespace = labels.pop() ?? '';
    if (labels.length === 0) return { exists: this.#hasNamespace(namespace), records: [] };
    const service = this.#services.get(key(namespace, labels.pop() ?? ''));
    if (service === undefined) return nothing;
    if (labels.length === 0) return this.#service(plain, service, type);
    if (labels.length === 2) return this.#port(plain, service, labels as [string, string], type);
    return labels.length === 1 ? this.#host(plain, service, labels[0] ?? '', type) : nothing;
  }

  #hasNamespace(namespace: string): boolean {
    return [...this.#services.values()].some((service) => service.namespace === namespace);
  }

  #service(name: string, service: Service, type: string): ZoneAnswer {
    if (service.externalName !== undefined)
      return { exists: true, records: [{ name, type: 'CNAME', data: service.externalName }] };
    if (type === 'SRV')
      return {
        exists: true,
        records: this.#ports(service).flatMap((port) => this.#targets(name, service, port)),
      };
    const ips = headless(service) ? this.#addresses(service).map(({ ip }) => ip) : service.clusterIps;
    // A headless Service without a ready pod has no name, as with CoreDNS.
    return { exists: ips.length > 0, records: addressRecords(name, type, ips) };
  }

  /** `<hostname>.<service>`: one pod of a StatefulSet; pods without a host name go by their address with dashes. */
  #host(name: string, service: Service, host: string, type: string): ZoneAnswer {
    if (!headless(service)) return nothing;
    const found = this.#addresses(service).filter((address) => hostLabel(address) === host);
    const ips = found.map(({ ip }) => ip);
    return { exists: ips.length > 0, records: addressRecords(name, type, ips) };
  }

  /** `_port._protocol.<service>`. */
  #port(name: string, service: Service, [label, protocol]: [string, string], type: string): ZoneAnswer {
    const ports = this.#ports(service).filter(
      (port) => `_${port.name}` === label && `_${port.protocol.toLowerCase()}` === protocol,
    );
    if (ports.length === 0) return nothing;
    return {
      exists: true,
      records: type === 'SRV' ? ports.flatMap((port) => this.#targets(name, service, port)) : [],
    };
  }

  #targets(name: string, service: Service, { port }: { port: number }): DnsRecord[] {
    const base = `${service.name}.${service.namespace}.svc.${this.domain}`;
    const srv = (target: string): DnsRecord => ({
      name,
      type: 'SRV',
      data: { priority: 0, weight: 100, port, target },
    });
    if (!headless(service)) return [srv(base)];
    // A pod with an address of each family is one target.
    const targets = new Set(this.#addresses(service).map((address) => `${hostLabel(address)}.${base}`));
    return [...targets].map(srv);
  }

  /** A headless Service's ports are those of its pods. */
  #ports(service: Service): Service['ports'] {
    if (!headless(service)) return service.ports;
    const ports = this.#slicesOf(service).flatMap((slice) => slice.ports);
    return [...new Map(ports.map((port) => [JSON.stringify(port), port])).values()];
  }

  #addresses(service: Service): Slice['addresses'] {
    return this.#slicesOf(service).flatMap((slice) => slice.addresses);
  }

  #slicesOf({ namespace, name }: Service): Slice[] {
    return this.#slices.get(key(namespace, name)) ?? [];
  }
}

function headless(service: Service): boolean {
  return service.clusterIps.length === 0;
}

/** The addresses of the family that was asked for, each once. */
function addressRecords(name: string, type: string, ips: string[]): DnsRecord[] {
  const wanted = new Set(ips.filter((ip) => (isIPv6(ip) ? type === 'AAAA' : type === 'A')));
  return [...wanted].map((data) => ({ name, type, data }));
}

function hostLabel({ ip, hostname }: { ip: string; hostname?: string }): string {
  return hostname ?? ip.replaceAll(/[.:]/g, '-');
}

function key(namespace: string, name: string): string {
  return `${namespace}/${name}`;
}
