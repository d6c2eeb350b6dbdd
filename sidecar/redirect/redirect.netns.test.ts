import { spawnSync } from 'node:child_process';

import { jest } from '@jest/globals';

import { SIDECAR_UID } from '#core/constants.ts';

import { loadRules } from './load.ts';
import { nftScript } from './nft.ts';
import { runRedirect } from './run.ts';
import type { ToolChoice } from './run.ts';
import { CASES, settingsOf } from './testing/cases.fake.ts';
import { PodNetwork } from './testing/pod-network.fake.ts';

const APP_UID = 1000;
const EVERYTHING = {
  MESH_SKIP_INBOUND_PORTS: '9090',
  MESH_SKIP_OUTBOUND_PORTS: '2525',
  MESH_SKIP_OUTBOUND_CIDRS: '10.77.0.9,fd77::9',
};

// Programs are started in namespaces, on machines that may be busy.
jest.setTimeout(60_000);

// Skipped without root and the tools: rules can be tried in the kernel only, and there only by root.
const obstacle =
  process.getuid?.() !== 0
    ? 'needs root'
    : ['ip', 'nft', 'iptables-legacy'].some((program) => spawnSync('which', [program]).status !== 0)
      ? 'needs ip, nft and iptables'
      : undefined;
const describeHere = obstacle === undefined ? describe : describe.skip;
const reason = obstacle === undefined ? '' : ` (skipped: ${obstacle})`;

describeHere.each(['nft', 'iptables'] as const)(`connections of a pod, redirected by %s${reason}`, (tool) => {
  const network = new PodNetwork();
  const { pod, peer } = network;

  beforeAll(async () => {
    await network.create();
    await Promise.all([
      network.listen('pod', SIDECAR_UID, '[::]:20000', '127.0.0.1:15001', '[::1]:15001', '[::]:15020'),
      network.listen('pod', APP_UID, '[::]:8080', '[::]:9090'),
      network.listen('peer', APP_UID, '[::]:5432', '[::]:2525'),
    ]);
    expect(await load(network, tool, EVERYTHING)).toBe(0);
  });
  afterAll(() => network.remove());

  describe.each([
    ['IPv4', pod.v4, peer.v4, '10.77.0.9', '203.0.113.7'],
    ['IPv6', pod.v6, peer.v6, 'fd77::9', '2001:db8::7'],
  ])('over %s', (_, podIp, peerIp, skippedIp, farIp) => {
    const at = (host: string, port: number): string =>
      host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

    test('to the application arrive at the sidecar, which knows where they were meant to go', async () => {
      expect(await network.dial('peer', APP_UID, podIp, 8080)).toEqual({
        at: 20000,
        original: at(podIp, 8080),
        peer: peerIp,
      });
    });

    test('to a port nobody listens on arrive at the sidecar, too', async () => {
      expect(await network.dial('peer', APP_UID, podIp, 7)).toMatchObject({
        at: 20000,
        original: at(podIp, 7),
      });
    });

    test('to the ports of the sidecar arrive there as they are', async () => {
      expect(await network.dial('peer', APP_UID, podIp, 20000)).toMatchObject({
        at: 20000,
        original: at(podIp, 20000),
      });
      expect(await network.dial('peer', APP_UID, podIp, 15020)).toMatchObject({ at: 15020 });
    });

    test("to the sidecar's outbound port cannot come from outside", async () => {
      expect(await network.dial('peer', APP_UID, podIp, 15001)).toMatchObject({
        at: 20000,
        original: at(podIp, 15001),
      });
    });

    test('to a skipped inbound port arrive at the application', async () => {
      expect(await network.dial('peer', APP_UID, podIp, 9090)).toMatchObject({ at: 9090, peer: peerIp });
    });

    test('of the application arrive at the sidecar, which knows where they were meant to go', async () => {
      expect(await network.dial('pod', APP_UID, peerIp, 5432)).toMatchObject({
        at: 15001,
        original: at(peerIp, 5432),
      });
    });

    test('of the application to an address that does not exist arrive there, too: virtual IPs need not exist', async () => {
      expect(await network.dial('pod', APP_UID, farIp, 80)).toMatchObject({
        at: 15001,
        original: at(farIp, 80),
      });
    });

    test('of root are redirected like those of any other user', async () => {
      expect(await network.dial('pod', 0, peerIp, 5432)).toMatchObject({ at: 15001 });
    });

    test('of the sidecar pass', async () => {
      expect(await network.dial('pod', SIDECAR_UID, peerIp, 5432)).toMatchObject({ at: 5432, peer: podIp });
    });

    test('to a skipped port or address pass', async () => {
      expect(await network.dial('pod', APP_UID, peerIp, 2525)).toMatchObject({ at: 2525, peer: podIp });
      expect(await network.dial('pod', APP_UID, skippedIp, 5432)).toMatchObject({ at: 5432 });
    });

    test('within the pod stay there', async () => {
      expect(await network.dial('pod', APP_UID, podIp, 8080)).toMatchObject({ at: 8080 });
      expect(
        await network.dial('pod', APP_UID, podIp.includes(':') ? '::1' : '127.0.0.1', 8080),
      ).toMatchObject({ at: 8080 });
    });
  });

  test('from the sidecar to the application come from 127.0.0.6, by which the application can tell them', async () => {
    expect(await network.dial('pod', SIDECAR_UID, pod.v4, 8080, '127.0.0.6')).toEqual({
      at: 8080,
      original: expect.any(String),
      peer: '127.0.0.6',
    });
  });
});

describeHere(`loading rules into a network namespace${reason}`, () => {
  const network = new PodNetwork();
  beforeEach(() => network.create());
  afterEach(() => network.remove());

  const ruleset = async (): Promise<string> => (await network.run('nft', ['list', 'ruleset'])).stdout;
  const saved = async (program: string): Promise<string> =>
    (await network.run(program, ['-t', 'nat'])).stdout.replace(/^#.*$|\[\d+:\d+\]/gm, '');

  test.each(Object.entries(CASES))('with nft: its kernel takes the option %s', async (_, env) => {
    expect(await loadRules(settingsOf(env), 'nft', network.tools)).toEqual({ loadedWith: 'nft' });
  });

  test.each(Object.entries(CASES))('with iptables: its kernel takes the option %s', async (_, env) => {
    expect(await loadRules(settingsOf(env), 'iptables', network.tools)).toEqual({
      loadedWith: 'iptables-legacy',
    });
  });

  test('twice gives the same as once', async () => {
    await load(network, 'nft', {});
    const once = await ruleset();
    await load(network, 'nft', {});
    expect(await ruleset()).toBe(once);

    await load(network, 'iptables', {});
    const [v4, v6] = [await saved('iptables-legacy-save'), await saved('ip6tables-legacy-save')];
    await load(network, 'iptables', {});
    expect([await saved('iptables-legacy-save'), await saved('ip6tables-legacy-save')]).toEqual([v4, v6]);
  });

  test('again with other settings replaces the rules, and leaves those of others alone', async () => {
    await network.run('nft', ['add', 'table', 'inet', 'somebody_else']);
    await load(network, 'nft', { MESH_SKIP_OUTBOUND_PORTS: '25' });
    await load(network, 'nft', { MESH_SKIP_OUTBOUND_PORTS: '26' });
    const rules = await ruleset();
    expect(rules).toContain('dport 26');
    expect(rules).not.toContain('dport 25');
    expect(rules).toContain('somebody_else');
  });

  test('with iptables where nft is refused', async () => {
    const tools = {
      ...network.tools,
      run: (program: string, args: readonly string[], input: string) =>
        network.run(
          program,
          args,
          program === 'nft' ? nftScript(settingsOf({})).replace('nat hook', 'nonsense hook') : input,
        ),
    };
    expect(await loadRules(settingsOf({}), 'auto', tools)).toEqual({ loadedWith: 'iptables-legacy' });
    expect(await ruleset()).not.toContain('mesh_redirect');
  });
});

async function load(network: PodNetwork, tool: ToolChoice, env: Record<string, string>): Promise<number> {
  const quiet = { out: () => undefined, err: (line: string) => console.error(line) };
  return runRedirect(['--tool', tool], env, quiet, network.tools);
}
