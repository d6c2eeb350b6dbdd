import { afterEach, expect, test } from '@jest/globals';

import { capabilitiesOf } from './cluster/capabilities.ts';
import { SERVICE_NAME_LABEL, endpointSlices, isReady } from './endpoint-slices.ts';
import { FakeApiServer } from './testing/fake-api.fake.ts';

let fake: FakeApiServer;

afterEach(() => fake.close());

const metadata = { name: 'db-x', namespace: 'shop', labels: { [SERVICE_NAME_LABEL]: 'db' } };

test('of an old server look like those of a new one, listed and watched', async () => {
  fake = await FakeApiServer.started({ version: '1.20' });
  const type = endpointSlices(capabilitiesOf(1, 20));
  const topology = { 'kubernetes.io/hostname': 'node-1', 'topology.kubernetes.io/zone': 'z1' };
  const { resourceVersion } = await fake.api.list(type);
  fake.put(type, {
    metadata,
    addressType: 'IPv4',
    endpoints: [
      { addresses: ['10.0.0.1'], conditions: { ready: true }, topology } as never,
      { addresses: ['10.0.0.2'] },
    ],
  });
  const expected = {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    endpoints: [
      { addresses: ['10.0.0.1'], conditions: { ready: true }, nodeName: 'node-1', zone: 'z1' },
      { addresses: ['10.0.0.2'] },
    ],
  };
  const listed = await fake.api.list(type, { labelSelector: `${SERVICE_NAME_LABEL}=db` });
  expect(listed.items).toMatchObject([expected]);
  expect(listed.items[0]?.endpoints[0]).not.toHaveProperty('topology');
  for await (const event of fake.api.watch(type, { resourceVersion, timeoutSeconds: 5 })) {
    expect(event).toMatchObject({ type: 'ADDED', object: expected });
    break;
  }
  expect(fake.requests[0]?.path).toBe('/apis/discovery.k8s.io/v1beta1/endpointslices');
});

test('without endpoints have an empty list, though the server writes null', async () => {
  fake = await FakeApiServer.started();
  const type = endpointSlices(capabilitiesOf(1, 31));
  fake.put(type, { metadata, addressType: 'IPv4', endpoints: null as never });
  expect((await fake.api.list(type)).items[0]?.endpoints).toEqual([]);
  expect(fake.requests[0]?.path).toBe('/apis/discovery.k8s.io/v1/endpointslices');
});

test('endpoints are ready unless they say that they are not', () => {
  expect(isReady({ addresses: [] })).toBe(true);
  expect(isReady({ addresses: [], conditions: {} })).toBe(true);
  expect(isReady({ addresses: [], conditions: { ready: false } })).toBe(false);
});
