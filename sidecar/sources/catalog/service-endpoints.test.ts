import { systemClock } from '#base/clock.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { eventually } from '#base/testing/eventually.ts';
import { pod, slice } from './objects.fake.ts';
import { ServiceEndpoints } from './service-endpoints.ts';
import { SliceApi } from './slice-api.ts';
import { SLICES } from './slice.ts';

let fake: FakeApiServer;
let endpoints: ServiceEndpoints;

beforeEach(async () => {
  fake = await FakeApiServer.started();
  endpoints = new ServiceEndpoints({
    api: new SliceApi(fake.api),
    clock: systemClock,
    log: new FakeLog(),
    namespace: 'shop',
    name: 'db',
    idleMs: 1_000,
    onIdle: () => undefined,
  });
});

afterEach(async () => {
  await endpoints.stop();
  await fake.close();
});

const many = (index: number, count: number): object[] =>
  Array.from({ length: count }, (_, at) => pod(`10.${index & 255}.${at >> 8}.${at & 255}`));

describe('the endpoints of a Service whose slices are somebody else’s to write', () => {
  test('are five thousand at most, in however many slices they come', async () => {
    for (let index = 0; index < 20; index++)
      fake.put(SLICES, slice(`s${index}`, { endpoints: many(index, 1_000) }));
    endpoints.acquire();
    await endpoints.synced;
    expect(endpoints.endpoints({ name: 'pg' }, false)).toHaveLength(5_000);
  });

  test('make room again for others when a slice goes', async () => {
    for (let index = 0; index < 6; index++)
      fake.put(SLICES, slice(`s${index}`, { endpoints: many(index, 1_000) }));
    endpoints.acquire();
    await endpoints.synced;
    fake.remove(SLICES, { name: 's0', namespace: 'shop' });
    await eventually(() => endpoints.endpoints({ name: 'pg' }, false).length === 4_000);
    fake.put(SLICES, slice('s5', { endpoints: many(5, 999) }));
    await eventually(() => endpoints.endpoints({ name: 'pg' }, false).length === 4_999);
  });
});
