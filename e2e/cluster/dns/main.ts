/** The resolver of the test cluster: answers for Services and pods, for nothing else, and keeps answering without the API server. */
import { parseArgs } from 'node:util';
import { serveDns } from './server.ts';
import { follow, readAccess } from './watch.ts';
import { Zone, type Endpoints, type Service } from './zone.ts';

interface ServiceObject {
  metadata: { name: string; namespace: string; resourceVersion: string };
  spec: {
    clusterIP?: string;
    type?: string;
    externalName?: string;
    ports?: Port[];
    publishNotReadyAddresses?: boolean;
  };
}

interface EndpointsObject {
  metadata: { name: string; namespace: string; resourceVersion: string };
  subsets?: { addresses?: { ip: string; hostname?: string }[]; ports?: Port[] }[];
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
  follow<EndpointsObject>(api, '/api/v1/endpoints', (objects) => zone.setEndpoints(objects.map(endpoints))),
]);

function service({ metadata, spec }: ServiceObject): Service {
  const { name, namespace } = metadata;
  const external =
    spec.type === 'ExternalName' && spec.externalName !== undefined
      ? { externalName: spec.externalName }
      : {};
  return {
    name,
    namespace,
    clusterIp: spec.clusterIP ?? '',
    ports: (spec.ports ?? []).map(named),
    ...external,
  };
}

function endpoints({ metadata, subsets = [] }: EndpointsObject): Endpoints {
  const { name, namespace } = metadata;
  const ports = new Map(
    subsets.flatMap((subset) => (subset.ports ?? []).map(named)).map((one) => [JSON.stringify(one), one]),
  );
  return {
    name,
    namespace,
    addresses: subsets.flatMap((subset) => subset.addresses ?? []),
    ports: [...ports.values()],
  };
}

function named({ name = '', port, protocol = 'TCP' }: Port): {
  name: string;
  port: number;
  protocol: string;
} {
  return { name, port, protocol };
}
