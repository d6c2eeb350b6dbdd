/** The resolver of the test cluster: answers for Services and pods, for nothing else, and keeps answering without the API server. */
import { parseArgs } from 'node:util';
import { serveDns } from './server.ts';
import { follow, readAccess } from './watch.ts';
import { Zone, type Service, type Slice } from './zone.ts';

interface ServiceObject {
  metadata: { name: string; namespace: string; resourceVersion: string };
  spec: { clusterIP?: string; clusterIPs?: string[]; type?: string; externalName?: string; ports?: Port[] };
}

interface SliceObject {
  metadata: { name: string; namespace: string; resourceVersion: string; labels?: Record<string, string> };
  endpoints?: { addresses: string[]; hostname?: string; conditions?: { ready?: boolean } }[] | null;
  ports?: Port[] | null;
}

interface Port {
  name?: string;
  port: number;
  protocol?: string;
}

const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string' },
    listen: { type: 'string' },
    domain: { type: 'string' },
    port: { type: 'string', default: '53' },
  },
});
if (values.kubeconfig === undefined || values.listen === undefined || values.domain === undefined) {
  throw new Error('The resolver needs --kubeconfig, --listen and --domain.');
}
const zone = new Zone(values.domain);
const api = readAccess(values.kubeconfig);
const { port } = await serveDns(zone, values.listen, Number(values.port));
console.log(`answering for ${values.domain} on ${values.listen}:${port}`);
await Promise.all([
  follow<ServiceObject>(api, '/api/v1/services', (objects) => zone.setServices(objects.map(service))),
  // The test cluster serves this version only.
  follow<SliceObject>(api, '/apis/discovery.k8s.io/v1beta1/endpointslices', (objects) =>
    zone.setSlices(objects.map(slice)),
  ),
]);

function service({ metadata, spec }: ServiceObject): Service {
  const { name, namespace } = metadata;
  const external =
    spec.type === 'ExternalName' && spec.externalName !== undefined
      ? { externalName: spec.externalName }
      : {};
  const ips = spec.clusterIPs ?? [spec.clusterIP ?? ''];
  const clusterIps = ips.filter((ip) => ip !== '' && ip !== 'None');
  return { name, namespace, clusterIps, ports: (spec.ports ?? []).map(named), ...external };
}

function slice({ metadata, endpoints, ports }: SliceObject): Slice {
  const ready = (endpoints ?? []).filter(({ conditions }) => conditions?.ready !== false);
  const addresses = ready.flatMap(({ addresses: ips, hostname }) =>
    ips.map((ip) => ({ ip, ...(hostname === undefined ? {} : { hostname }) })),
  );
  const name = metadata.labels?.['kubernetes.io/service-name'] ?? '';
  return { name, namespace: metadata.namespace, addresses, ports: (ports ?? []).map(named) };
}

function named({ name = '', port, protocol = 'TCP' }: Port): {
  name: string;
  port: number;
  protocol: string;
} {
  return { name, port, protocol };
}
