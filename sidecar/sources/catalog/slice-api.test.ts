import type { KubeApi, ResourceType } from '#kube/api.ts';
import { KubeError } from '#kube/errors.ts';

import { SliceApi } from './slice-api.ts';
import { SLICES } from './slice.ts';

/** A server of one version that offers EndpointSlices in one version and knows no other. */
class FakeVersionedServer {
  offered: 'v1' | 'v1beta1' = 'v1beta1';
  discoveries = 0;
  readonly api = {
    raw: async (path: string) => {
      if (path === '/version') return { major: '1', minor: this.offered === 'v1' ? '25' : '20' };
      this.discoveries += 1;
      return { versions: [{ version: this.offered }] };
    },
    list: async (type: ResourceType) => {
      if (type.version !== this.offered) {
        throw new KubeError({
          status: 404,
          reason: 'NotFound',
          message: 'the server could not find the requested resource',
        });
      }
      return { items: [], resourceVersion: type.version };
    },
  } as unknown as KubeApi;
}

test('endpoint slices are asked for in the version the server offers, and the server is asked once', async () => {
  const server = new FakeVersionedServer();
  const slices = new SliceApi(server.api);
  expect((await slices.list(SLICES)).resourceVersion).toBe('v1beta1');
  await slices.list(SLICES);
  expect(server.discoveries).toBe(1);
});

test('after an upgrade of the server that drops the old version, the next list uses the new one', async () => {
  const server = new FakeVersionedServer();
  const slices = new SliceApi(server.api);
  await slices.list(SLICES);
  server.offered = 'v1';
  await expect(slices.list(SLICES)).rejects.toThrow('could not find');
  expect((await slices.list(SLICES)).resourceVersion).toBe('v1');
});
