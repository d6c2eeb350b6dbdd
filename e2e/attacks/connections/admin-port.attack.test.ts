import { Attacker } from '../kit/attacker.ts';
import { PROBE_PATH, SidecarUnderAttack } from '../kit/sidecar-under-attack.ts';
import { withVariants } from '../kit/variants.ts';
import type { FloodOrder } from './flood.ts';
import { probe } from './kubelet.ts';
import type { Probed } from './kubelet.ts';
import { expectUnharmed, withstand } from './withstand.ts';

/** What any pod of the cluster can do at the port for probes and metrics, in the memory that the chart gives a sidecar. */

const FLOOD = new URL('./flood.ts', import.meta.url);

let sidecar: SidecarUnderAttack;
beforeEach(async () => {
  sidecar = await SidecarUnderAttack.start();
});
afterEach(() => sidecar.stop());

test.each(
  withVariants<[string, Omit<FloodOrder, 'port'>]>(
    [
      [
        '500 requests that are never finished',
        { behaviour: 'half-request', open: 500, perSecond: 500, from: 'one address' },
      ],
      [
        'connections with 1,500 requests each whose answers are not read',
        { behaviour: 'pipelined', open: 200, perSecond: 20, from: 'many addresses' },
      ],
    ],
    [
      [
        '500 requests that are never finished, each from another address',
        { behaviour: 'half-request', open: 500, perSecond: 500, from: 'many addresses' },
      ],
      [
        '500 connections that say nothing',
        { behaviour: 'silent', open: 500, perSecond: 500, from: 'many addresses' },
      ],
      [
        '500 requests that come byte by byte',
        { behaviour: 'dribbled-request', open: 500, perSecond: 250, from: 'many addresses' },
      ],
      [
        '500 requests with large headers',
        { behaviour: 'large-headers', open: 500, perSecond: 250, from: 'many addresses' },
      ],
      [
        '500 connections that do not read the metrics they ask for',
        { behaviour: 'unread-metrics', open: 500, perSecond: 250, from: 'many addresses' },
      ],
      [
        '500 connections that speak HTTP/2',
        { behaviour: 'other-protocol', open: 500, perSecond: 250, from: 'many addresses' },
      ],
      [
        'metrics asked for 500 times in a second',
        { behaviour: 'over-and-over', open: 100, perSecond: 500, from: 'many addresses' },
      ],
      [
        '500 requests with a body that never ends',
        { behaviour: 'unfinished-body', open: 500, perSecond: 250, from: 'many addresses' },
      ],
    ],
  ),
)('%s: every probe is answered, and legitimate traffic goes on', async (_name, order) => {
  const probed: Probed[] = [];
  const withstood = await withstand(
    sidecar,
    [{ program: FLOOD, order: { port: sidecar.adminPort, ...order } }],
    async (until) => {
      const paths = ['/readyz', PROBE_PATH];
      probed.push(...(await Promise.all(paths.map((path) => probe(sidecar.adminPort, path, until)))));
    },
  );
  expect(probed.flatMap(({ failures }) => failures)).toEqual([]);
  for (const { succeeded } of probed) expect(succeeded).toBeGreaterThan(10);
  expectUnharmed(sidecar, withstood);
});

test('probes that strangers ask for do not reach the application, under whatever path they guess', async () => {
  const before = sidecar.app.seen;
  const orders = [
    '/probe/app/readiness',
    `/probe/app/readiness-${'0'.repeat(32)}`,
    '/probe/app/liveness',
  ].map((path): Omit<FloodOrder, 'port'> => ({
    behaviour: 'over-and-over',
    path,
    open: 50,
    perSecond: 100,
    from: 'many addresses',
  }));
  const attackers = orders.map((order) => Attacker.start(FLOOD, { port: sidecar.adminPort, ...order }));
  try {
    await Promise.all(attackers.map((attacker) => attacker.says('many ended')));
  } finally {
    await Promise.all(attackers.map((attacker) => attacker.stop()));
  }
  expect(sidecar.app.seen).toBe(before);
});
