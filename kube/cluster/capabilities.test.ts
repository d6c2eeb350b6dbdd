import { afterEach, describe, expect, test } from '@jest/globals';

import type { KubeApi } from '../api.ts';
import { capabilitiesOf, readCapabilities } from './capabilities.ts';
import { FakeApiServer } from '../testing/fake-api.fake.ts';

let fake: FakeApiServer | undefined;

afterEach(() => fake?.close());

/** An API that knows only its own version. */
function saying(version: unknown): KubeApi {
  const raw = (path: string): Promise<unknown> =>
    Promise.resolve(path === '/version' ? version : { versions: [{ version: 'v1' }] });
  return { raw } as unknown as KubeApi;
}

test.each([
  [
    '1.20',
    {
      nativeSidecars: false,
      matchConditions: false,
      crdValidationRules: false,
      endpointSliceVersion: 'v1beta1',
    },
  ],
  [
    '1.21',
    { nativeSidecars: false, matchConditions: false, crdValidationRules: false, endpointSliceVersion: 'v1' },
  ],
  [
    '1.28',
    { nativeSidecars: false, matchConditions: true, crdValidationRules: true, endpointSliceVersion: 'v1' },
  ],
  [
    '1.29',
    { nativeSidecars: true, matchConditions: true, crdValidationRules: true, endpointSliceVersion: 'v1' },
  ],
  [
    '1.36',
    { nativeSidecars: true, matchConditions: true, crdValidationRules: true, endpointSliceVersion: 'v1' },
  ],
])('a server of version %s', async (version, expected) => {
  fake = await FakeApiServer.started({ version });
  const [major, minor] = version.split('.').map(Number);
  expect(await readCapabilities(fake.api)).toEqual({ version: { major, minor }, ...expected });
  expect(capabilitiesOf(major!, minor!)).toEqual({ version: { major, minor }, ...expected });
});

describe('the version', () => {
  test.each([
    [{ major: '1', minor: '29+' }, 29],
    [{ major: '', minor: '', gitVersion: 'v1.31.4-gke.100' }, 31],
    [{ gitVersion: '1.27.3' }, 27],
  ])('%j is read', async (version, minor) => {
    expect((await readCapabilities(saying(version))).version).toEqual({ major: 1, minor });
  });

  test.each([undefined, {}, 'ok', { major: 'x', minor: 'y' }])(
    '%j is refused with a sentence',
    async (version) => {
      await expect(readCapabilities(saying(version))).rejects.toThrow('does not tell its version');
    },
  );

  test('of a server that is too old is refused', async () => {
    await expect(readCapabilities(saying({ major: '1', minor: '19' }))).rejects.toThrow(
      'needs 1.20 or newer',
    );
  });
});
