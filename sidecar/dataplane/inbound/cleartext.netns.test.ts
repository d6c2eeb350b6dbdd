import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { jest } from '@jest/globals';

import { loadRules } from '../../redirect/load.ts';
import { settingsOf } from '../../redirect/testing/cases.fake.ts';
import { PodNetwork } from '../../redirect/testing/pod-network.fake.ts';

const APP_UID = 1000;
/** Ports that the service declares, and one that it does not. */
const [ON_LOOPBACK, ON_POD, ON_ALL, UNDECLARED] = [6379, 8080, 5432, 9090] as const;

// Programs are started in namespaces, on machines that may be busy.
jest.setTimeout(60_000);

const obstacle =
  process.getuid?.() !== 0
    ? 'needs root'
    : ['ip', 'nft'].some((program) => spawnSync('which', [program]).status !== 0)
      ? 'needs ip and nft'
      : undefined;
const describeHere = obstacle === undefined ? describe : describe.skip;
const reason = obstacle === undefined ? '' : ` (skipped: ${obstacle})`;

describeHere(`cleartext to a permissive service, redirected by the kernel${reason}`, () => {
  const network = new PodNetwork();
  const { pod } = network;

  beforeAll(async () => {
    await network.create();
    await network.listen(
      'pod',
      APP_UID,
      ...[`127.0.0.1:${ON_LOOPBACK}`, `[::1]:${ON_LOOPBACK}`, `127.0.0.1:${UNDECLARED}`],
      ...[`${pod.v4}:${ON_POD}`, `[${pod.v6}]:${ON_POD}`, `[::]:${ON_ALL}`],
    );
    await network.start(
      'pod',
      join(import.meta.dirname, 'testing', 'permissive-pod.fake.ts'),
      `${pod.v4},${pod.v6}`,
      [ON_LOOPBACK, ON_POD, ON_ALL].join(','),
    );
    expect(await loadRules(settingsOf({}), 'nft', network.tools)).toEqual({ loadedWith: 'nft' });
  });
  afterAll(() => network.remove());

  describe.each([
    ['IPv4', pod.v4],
    ['IPv6', pod.v6],
  ])('over %s', (_, podIp) => {
    test.each([
      ['a declared port', ON_LOOPBACK],
      ['a port that is not declared', UNDECLARED],
    ])('never reaches an application that listens on loopback only: %s', async (_what, port) => {
      expect(await network.dial('peer', APP_UID, podIp, port)).toEqual({ error: 'ECONNRESET' });
    });

    test("reaches an application that listens on the pod's address, there, and from no loopback address", async () => {
      expect(await network.dial('peer', APP_UID, podIp, ON_POD)).toMatchObject({ at: ON_POD, peer: podIp });
    });

    test('is not a local client to an application that listens on every address', async () => {
      expect(await network.dial('peer', APP_UID, podIp, ON_ALL)).toMatchObject({ at: ON_ALL, peer: podIp });
    });
  });

  test('for an address that is not the pod, led through it by a neighbour, goes nowhere', async () => {
    const elsewhere = '198.51.100.7';
    await network.runAt('peer', 'ip', ['route', 'add', `${elsewhere}/32`, 'via', pod.v4]);
    await network.runAt('peer', 'ip', ['addr', 'add', '198.51.100.8/32', 'dev', 'lo']);
    expect(await network.dial('peer', APP_UID, elsewhere, ON_ALL)).toEqual({ error: 'ECONNRESET' });
  });
});
