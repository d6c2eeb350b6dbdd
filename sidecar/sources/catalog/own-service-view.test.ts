import { namespaceName, serviceName } from '#core/names.ts';
import { systemClock } from '#base/clock.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { CATALOG_ENTRIES, MESH_SERVICES } from '#kube/types.ts';

import { eventually, pause } from '#base/testing/eventually.ts';
import { Catalog } from './catalog.ts';
import { MESH_NAMESPACE, entry, meshService } from './objects.fake.ts';
import { OwnMeshService } from './own-mesh-service.ts';
import { OwnServiceView } from './own-service-view.ts';

const web = { namespace: namespaceName('shop'), service: serviceName('web') };
const db = { namespace: namespaceName('shop'), service: serviceName('db') };

let fake: FakeApiServer;
let catalog: Catalog;
let settings: OwnMeshService;

beforeEach(async () => {
  fake = await FakeApiServer.started();
  const shared = { api: fake.api, clock: systemClock, log: new FakeLog() };
  catalog = new Catalog({ ...shared, meshNamespace: namespaceName(MESH_NAMESPACE) });
  settings = new OwnMeshService({ ...shared, own: web });
});

afterEach(async () => {
  await Promise.all([catalog.stop(), settings.stop()]);
  await fake.close();
});

describe('the own service', () => {
  const view = (upstreams: ConstructorParameters<typeof OwnServiceView>[0]['upstreams'] = []) =>
    new OwnServiceView({
      catalog,
      settings,
      identity: web,
      containerPorts: new Map([['http', 8080]]),
      upstreams,
    });

  test('is closed until it was read', () => {
    expect([...view().declaredPorts()]).toEqual([]);
    expect(view().defaultPort()).toBeUndefined();
    expect(view().mtls()).toBe('strict');
  });

  test('declares what its spec says, else the target ports of its Services', async () => {
    const own = view();
    let changes = 0;
    own.onChange(() => changes++);
    const services = [
      {
        name: 'web',
        clusterIPs: [],
        headless: false,
        ports: [
          { port: 80, targetPort: 'http' },
          { port: 81, targetPort: 9090 },
          { port: 82, targetPort: 'no-such' },
        ],
      },
    ];
    fake.put(CATALOG_ENTRIES, entry('web', { services }));
    catalog.start();
    settings.start();
    await eventually(() => own.declaredPorts().size === 2);
    expect([...own.declaredPorts()]).toEqual([8080, 9090]);
    expect(own.defaultPort()).toBe(8080);
    fake.put(MESH_SERVICES, meshService('web', { ports: [{ port: 7000 }], mtls: 'permissive' }));
    await eventually(() => own.mtls() === 'permissive');
    expect([...own.declaredPorts()]).toEqual([7000]);
    expect(changes).toBe(2);
    fake.remove(MESH_SERVICES, { name: 'web', namespace: 'shop' });
    await eventually(() => own.mtls() === 'strict');
    expect([...own.declaredPorts()]).toEqual([8080, 9090]);
    fake.remove(CATALOG_ENTRIES, { name: 'web.shop', namespace: MESH_NAMESPACE });
    await eventually(() => own.declaredPorts().size === 0);
  });

  test('is not changed by a write of counts, nor by another service', async () => {
    const own = view();
    let changes = 0;
    own.onChange(() => changes++);
    const counted = (ready: number) => ({
      ...meshService('web', { ports: [{ port: 7000 }] }),
      status: { instances: { ready, total: 2 } },
    });
    fake.put(MESH_SERVICES, counted(1));
    catalog.start();
    settings.start();
    await eventually(() => changes === 1 && fake.openWatches === 2);
    fake.put(MESH_SERVICES, counted(2));
    fake.put(CATALOG_ENTRIES, entry('db', { ports: [1] }));
    await eventually(() => settings.stats.events === 1 && catalog.stats.events === 1);
    await pause(30);
    expect(changes).toBe(1);
  });

  test('is the only MeshService that is read', async () => {
    fake.put(MESH_SERVICES, meshService('web', { mtls: 'permissive' }));
    for (let index = 0; index < 50; index++) fake.put(MESH_SERVICES, meshService(`other-${index}`));
    settings.start();
    await settings.synced;
    expect(settings.current?.mtls).toBe('permissive');
    expect(fake.requests.every(({ query }) => query.fieldSelector === 'metadata.name=web')).toBe(true);
  });

  test('adds its upstreams to those of the annotation, which come first', async () => {
    const own = view([{ localPort: 9191, service: db }]);
    const upstreams = [
      { service: 'cache', namespace: 'other', localPort: 9192, port: 6379 },
      { service: 'api', localPort: 9191 },
    ];
    fake.put(MESH_SERVICES, meshService('web', { upstreams }));
    catalog.start();
    settings.start();
    await eventually(() => own.upstreams().length === 2);
    expect(own.upstreams()).toEqual([
      { localPort: 9191, service: db },
      { localPort: 9192, service: { namespace: 'other', service: 'cache' }, port: 6379 },
    ]);
  });
});
