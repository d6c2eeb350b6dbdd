import { namespaceName, serviceName } from '#core/names.ts';
import { systemClock } from '#kube/clock.ts';
import { FakeApiServer } from '#kube/fake-api.fake.ts';
import { FakeLog } from '#kube/log.fake.ts';
import { MESH_SERVICES } from '#kube/types.ts';

import { eventually, pause } from '../testing/eventually.fake.ts';
import { Catalog } from './catalog.ts';
import { meshService } from './objects.fake.ts';
import { OwnServiceView } from './own-service-view.ts';

const web = { namespace: namespaceName('shop'), service: serviceName('web') };
const db = { namespace: namespaceName('shop'), service: serviceName('db') };

let fake: FakeApiServer;
let catalog: Catalog;

beforeEach(async () => {
  fake = await FakeApiServer.started();
  catalog = new Catalog({ api: fake.api, clock: systemClock, log: new FakeLog(), own: web });
});

afterEach(async () => {
  await catalog.stop();
  await fake.close();
});

describe('the own service', () => {
  const view = (upstreams: ConstructorParameters<typeof OwnServiceView>[0]['upstreams'] = []) =>
    new OwnServiceView({ catalog, identity: web, containerPorts: new Map([['http', 8080]]), upstreams });

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
    fake.put(MESH_SERVICES, meshService('web', { services }));
    catalog.start();
    await eventually(() => own.declaredPorts().size === 2);
    expect([...own.declaredPorts()]).toEqual([8080, 9090]);
    expect(own.defaultPort()).toBe(8080);
    fake.put(
      MESH_SERVICES,
      meshService('web', { services, spec: { ports: [{ port: 7000 }], mtls: 'permissive' } }),
    );
    await eventually(() => own.mtls() === 'permissive');
    expect([...own.declaredPorts()]).toEqual([7000]);
    expect(changes).toBe(2);
    fake.remove(MESH_SERVICES, { name: 'web', namespace: 'shop' });
    await eventually(() => own.mtls() === 'strict');
    expect(own.declaredPorts().size).toBe(0);
  });

  test('is not changed by a write of counts', async () => {
    const own = view();
    let changes = 0;
    own.onChange(() => changes++);
    fake.put(
      MESH_SERVICES,
      meshService('web', {
        spec: { ports: [{ port: 7000 }] },
        status: { instances: { ready: 1, total: 2 } },
      }),
    );
    catalog.start();
    await eventually(() => changes === 1 && fake.openWatches === 1);
    fake.put(
      MESH_SERVICES,
      meshService('web', {
        spec: { ports: [{ port: 7000 }] },
        status: { instances: { ready: 2, total: 2 } },
      }),
    );
    await eventually(() => catalog.stats.events === 1);
    await pause(30);
    expect(changes).toBe(1);
  });

  test('adds its upstreams to those of the annotation, which come first', async () => {
    const own = view([{ localPort: 9191, service: db }]);
    const upstreams = [
      { service: 'cache', namespace: 'other', localPort: 9192, port: 6379 },
      { service: 'api', localPort: 9191 },
    ];
    fake.put(MESH_SERVICES, meshService('web', { spec: { upstreams } }));
    catalog.start();
    await eventually(() => own.upstreams().length === 2);
    expect(own.upstreams()).toEqual([
      { localPort: 9191, service: db },
      { localPort: 9192, service: { namespace: 'other', service: 'cache' }, port: 6379 },
    ]);
  });
});
