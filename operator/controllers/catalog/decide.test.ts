import type { CatalogEntrySpec } from '#core/model/catalog-entry.ts';
import { CATALOG_LIMITS } from '#core/model/catalog-entry.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { Pod, Service } from '#kube/types.ts';

import { kubeService, meshPod, meshServiceOf, registration } from './catalog-objects.fake.ts';
import { decideCatalog } from './decide.ts';
import type { CatalogSituation, CatalogVerdict } from './decide.ts';

function decide(
  instances: readonly Pod[],
  services: readonly Service[],
  more: {
    meshServices?: readonly MeshService[];
    published?: readonly CatalogEntrySpec[];
  } & Partial<CatalogSituation> = {},
): CatalogVerdict & { readonly owners: Record<string, string[]> } {
  const verdict = decideCatalog({
    namespace: 'shop',
    meshServices: [meshServiceOf('db'), meshServiceOf('web')],
    instances,
    services,
    published: [],
    hasForeignEndpoints: () => false,
    holds: () => 'alone',
    outside: () => undefined,
    ...more,
  });
  const owners = [...verdict.entries].map(
    ([name, spec]) => [name, (spec.services ?? []).map((one) => one.name)] as const,
  );
  return { ...verdict, owners: Object.fromEntries(owners) };
}

const specs = ({ entries }: CatalogVerdict): readonly CatalogEntrySpec[] => [...entries.values()];

describe('which Kubernetes Services stand for a mesh service', () => {
  const db = meshPod('db-0', 'db', { labels: { tier: 'data' } });
  const web = meshPod('web-0', 'web', { labels: { tier: 'data' } });

  test.each<[string, Pod[], Service[], Record<string, string[]>]>([
    [
      'those that select its pods, whatever their name',
      [db],
      [kubeService('db', { app: 'db' }), kubeService('primary', { app: 'db' })],
      { db: ['db', 'primary'] },
    ],
    ['not one that selects nothing', [db], [kubeService('db', undefined), kubeService('x', {})], {}],
    [
      'each its own',
      [db, web],
      [kubeService('db', { app: 'db' }), kubeService('web', { app: 'web' })],
      { db: ['db'], web: ['web'] },
    ],
    ['not an ExternalName', [db], [kubeService('db', { app: 'db' }, { type: 'ExternalName' })], {}],
    [
      'not for a pod that is leaving, when it was not before',
      [meshPod('db-2', 'db', { deleted: true })],
      [kubeService('primary', { app: 'db' })],
      {},
    ],
    [
      'not for a pod whose ServiceAccount may not be it',
      [meshPod('x', 'db', { account: 'evil' })],
      [kubeService('db', { app: 'db' })],
      {},
    ],
  ])('%s', (_title, pods, services, expected) => {
    expect(decide(pods, services).owners).toEqual(expected);
  });

  test('without pods, the one of the name of a MeshService that a user wrote', () => {
    const meshServices = [meshServiceOf('db', { by: 'user' }), meshServiceOf('web')];
    const services = [kubeService('db', { app: 'db' }), kubeService('web', { app: 'web' })];
    expect(decide([], services, { meshServices }).owners).toEqual({ db: ['db'] });
  });

  test('one that both select is neither’s: both entries say so, and so does the way to both', () => {
    const verdict = decide([db, web], [kubeService('data', { tier: 'data' })]);
    const ambiguous = [{ name: 'data', clusterIPs: ['10.96.0.4'] }];
    expect(specs(verdict)).toEqual([
      { namespace: 'shop', service: 'db', ambiguous },
      { namespace: 'shop', service: 'web', ambiguous },
    ]);
    expect(verdict.reach.get('db')).toEqual({ kind: 'ambiguous', service: 'data', with: ['db', 'web'] });
  });

  test('a pod that takes another service’s labels, even a ready one, takes nothing from it, before and after a restart of the operator', () => {
    const services = [kubeService('data', { tier: 'data' })];
    const before = decide([db], services);
    const after = decide([db, web], services, { published: specs(before) });
    expect(after.owners).toEqual({ db: ['data'] });
    expect(specs(after)).toEqual(specs(before));
  });

  test('scaled to zero, it keeps those it had, so that their addresses stay in the mesh', () => {
    const services = [kubeService('primary', { app: 'db' })];
    const published = specs(decide([db], services));
    expect(decide([], services, { published }).owners).toEqual({ db: ['primary'] });
    expect(decide([], [], { published }).owners).toEqual({});
  });

  test('one whose MeshService is deleted stays in the mesh while its pods run, and leaves it with them', () => {
    const services = [kubeService('primary', { app: 'db' })];
    const published = specs(decide([db], services));
    expect(decide([db], services, { published, meshServices: [] }).owners).toEqual({ db: ['primary'] });
    expect(decide([], services, { published, meshServices: [] }).owners).toEqual({});
  });

  test('one that serves pods outside of the mesh too waits, and says so', () => {
    const asked: string[] = [];
    const verdict = decide([db], [kubeService('db', { app: 'db' })], {
      hasForeignEndpoints: ({ metadata }, own) => {
        asked.push(`${metadata.name} ${[...own].join()}`);
        return true;
      },
    });
    expect(verdict.entries.size).toBe(0);
    expect(verdict.reach.get('db')).toEqual({ kind: 'mixed', service: 'db' });
    expect(asked).toEqual(['db 10.1.0.4']);
  });
});

describe('a process outside of pods', () => {
  const outside = registration('db-ab12cd', 'db');

  test('stands behind the Service of its name, with a selector or without, and behind no other', () => {
    expect(decide([outside], [kubeService('db', undefined)]).owners).toEqual({ db: ['db'] });
    expect(
      decide([outside], [kubeService('db', { app: 'db' }), kubeService('x', { app: 'db' })]).owners,
    ).toEqual({
      db: ['db'],
    });
  });

  test('is at its address with the port of its sidecar and its own ports alone', () => {
    const where = { sidecarPort: 40_001, ports: [5432] };
    const headless = kubeService('db', undefined, { clusterIP: 'None', clusterIPs: ['None'] });
    const { entries } = decide([outside], [headless], { outside: () => where });
    expect(entries.get('db')?.addresses).toEqual([{ address: '10.9.0.1', ...where }]);
  });
});

describe('what is published of a service', () => {
  const dual = kubeService(
    'db',
    { app: 'db' },
    {
      clusterIPs: ['10.0.0.9', 'fd00::9'],
      ports: [{ port: 80 }, { port: 53, protocol: 'UDP' }, { name: 'pg', port: 1, targetPort: 'pg' }],
    },
  );
  const headless = kubeService('peers', { app: 'db' }, { clusterIP: 'None', clusterIPs: ['None'] });

  test('is its Services with the addresses of both families and TCP ports, its declared ports, and the pods of headless ones', () => {
    const pods = [
      meshPod('db-0', 'db', { address: '10.1.0.1', ready: false }),
      meshPod('db-1', 'db', { address: '10.1.0.2', deleted: true }),
    ];
    const meshServices = [meshServiceOf('db', { ports: [5432] })];
    expect(specs(decide(pods, [dual, headless], { meshServices }))).toEqual([
      {
        namespace: 'shop',
        service: 'db',
        ports: [5432],
        services: [
          {
            name: 'db',
            clusterIPs: ['10.0.0.9', 'fd00::9'],
            headless: false,
            ports: [
              { port: 80, targetPort: 80 },
              { name: 'pg', port: 1, targetPort: 'pg' },
            ],
          },
          { name: 'peers', clusterIPs: [], headless: true, ports: [{ port: 80, targetPort: 80 }] },
        ],
        addresses: [{ address: '10.1.0.1' }, { address: '10.1.0.2' }],
      },
    ]);
  });

  test('without a headless Service has no addresses of pods', () => {
    expect(decide([meshPod('db-0', 'db')], [dual]).entries.get('db')).not.toHaveProperty('addresses');
  });

  test('calls an address that others claim disputed, and leaves out one that is another’s', () => {
    const pods = ['10.1.0.1', '10.1.0.2', '10.1.0.3'].map((address, index) =>
      meshPod(`db-${index}`, 'db', { address }),
    );
    const holds: CatalogSituation['holds'] = (_pod, address) =>
      address.endsWith('1') ? 'alone' : address.endsWith('2') ? 'disputed' : 'no';
    expect(decide(pods, [headless], { holds }).entries.get('db')).toMatchObject({
      addresses: [{ address: '10.1.0.1' }],
      disputed: ['10.1.0.2'],
    });
  });
});

describe('the limits of a namespace', () => {
  const name = (index: number): string => `s${String(index).padStart(5, '0')}`;

  test('publish the oldest services, so that new ones take nothing away from others', () => {
    const count = CATALOG_LIMITS.services + 5;
    const all = Array.from({ length: count }, (_, index) => index);
    const meshServices = all.map((index) =>
      meshServiceOf(name(index), {
        by: 'user',
        at: index < 5 ? '2026-06-01T00:00:00Z' : '2026-01-01T00:00:00Z',
      }),
    );
    const { entries, reach } = decide(
      [],
      all.map((index) => kubeService(name(index), undefined)),
      { meshServices },
    );
    expect(entries.size).toBe(CATALOG_LIMITS.services);
    for (const index of [0, 1, 2, 3, 4]) expect(reach.get(name(index))).toEqual({ kind: 'over-limit' });
    expect(reach.get(name(5))).toMatchObject({ kind: 'reachable' });
  });

  test('hold for the addresses of pods and for ports', () => {
    const pods = Array.from({ length: CATALOG_LIMITS.addresses + 10 }, (_, index) =>
      meshPod(`db-${index}`, 'db', {
        address: `10.${1 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`,
      }),
    );
    const ports = Array.from({ length: CATALOG_LIMITS.ports + 10 }, (_, index) => ({ port: index + 1 }));
    const headless = kubeService('peers', { app: 'db' }, { clusterIP: 'None', clusterIPs: ['None'], ports });
    const entry = decide(pods, [headless]).entries.get('db');
    expect(entry?.addresses).toHaveLength(CATALOG_LIMITS.addresses);
    expect(entry?.services?.[0]?.ports).toHaveLength(CATALOG_LIMITS.ports);
  });
});
