import { CATALOG_LIMITS } from '#core/model/catalog-entry.ts';
import { CATALOG_ENTRIES, MESH_SERVICES } from '#kube/types.ts';
import { entry } from '#sidecar/sources/catalog/objects.fake.ts';
import { SLICES } from '#sidecar/sources/catalog/slice.ts';

import { SidecarUnderAttack } from './kit/sidecar-under-attack.ts';

/** What a tenant with `edit` in a namespace of his own can put into the API server, and what the operator would publish of it at most. */
describe('a sidecar as it ships, in a cluster that a tenant fills', () => {
  let sidecar: SidecarUnderAttack;

  beforeEach(async () => {
    sidecar = await SidecarUnderAttack.start();
  });

  afterEach(() => sidecar.stop());

  const services = async (): Promise<number> => {
    const metrics = await (await fetch(`http://127.0.0.1:${sidecar.adminPort}/metrics`)).text();
    return Number(/^mesh_catalog_services (\d+)$/m.exec(metrics)?.[1]);
  };
  const goesOn = async (): Promise<void> => {
    const load = await sidecar.load();
    expect(await load.run(10_000)).toMatchObject({ failed: 0, connectionsFailed: 0 });
    expect(sidecar.isAlive).toBe(true);
    expect(sidecar.peakBytes).toBeLessThan(sidecar.limit.bytes);
  };

  test('reads none of 60,000 MeshServices and 300 slices of 1,000 addresses of another namespace', async () => {
    const { api } = sidecar.control;
    const before = await services();
    const ports = Array.from({ length: 64 }, (_, index) => ({ port: index + 1 }));
    for (let index = 0; index < 60_000; index++)
      api.put(MESH_SERVICES, {
        metadata: { name: `s${index}`, namespace: 'evil', generation: 1 },
        spec: { ports },
      });
    for (let index = 0; index < 300; index++)
      api.put(SLICES, {
        metadata: {
          name: `s${index}`,
          namespace: 'evil',
          labels: { 'kubernetes.io/service-name': 'x', 'service.kubernetes.io/headless': '' },
        },
        addressType: 'IPv4',
        ports: [],
        endpoints: Array.from({ length: 1_000 }, (_, at) => ({
          addresses: [`10.${index & 255}.${at >> 8}.${at & 255}`],
        })),
      });
    await goesOn();
    expect(await services()).toBe(before);
  });

  test('holds all that is published of five namespaces that are full to their limits', async () => {
    const { api } = sidecar.control;
    const before = await services();
    for (let namespace = 0; namespace < 5; namespace++) {
      for (let index = 0; index < CATALOG_LIMITS.services; index++) {
        const clusterIPs = [`10.${100 + namespace}.${index >> 8}.${index & 255}`];
        const services = [
          { name: `s${index}`, clusterIPs, headless: false, ports: [{ port: 80, targetPort: 8080 }] },
        ];
        api.put(CATALOG_ENTRIES, entry(`s${index}`, { services }, `n${namespace}`));
      }
      const addresses = Array.from({ length: CATALOG_LIMITS.addresses }, (_, at) => ({
        address: `10.${110 + namespace}.${at >> 8}.${at & 255}`,
      }));
      const headless = [
        { name: 'peers', clusterIPs: [], headless: true, ports: [{ port: 80, targetPort: 80 }] },
      ];
      api.put(CATALOG_ENTRIES, entry('peers', { services: headless, addresses }, `n${namespace}`));
    }
    await goesOn();
    expect(await services()).toBe(before + 5 * (CATALOG_LIMITS.services + 1));
  });
});
