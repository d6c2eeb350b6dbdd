import { SidecarUnderAttack } from '../kit/sidecar-under-attack.ts';
import { withVariants } from '../kit/variants.ts';
import type { FloodOrder } from './flood.ts';
import { expectUnharmed, withstand } from './withstand.ts';

/** Connections of somebody who has proved nothing, in the memory that the chart gives a sidecar. */

const FLOOD = new URL('./flood.ts', import.meta.url);

let sidecar: SidecarUnderAttack;
beforeEach(async () => {
  sidecar = await SidecarUnderAttack.start();
});
afterEach(() => sidecar.stop());

const flood = (order: Omit<FloodOrder, 'port'>) => [
  { program: FLOOD, order: { port: sidecar.inboundPort, ...order } },
];

test.each(
  withVariants<[string, Omit<FloodOrder, 'port'>]>(
    [
      [
        '2,000 connections that send eleven bytes of a ClientHello',
        { behaviour: 'eleven-bytes', open: 2_000, perSecond: 1_000, from: 'one address' },
      ],
      [
        '4,700 connections that send nothing',
        { behaviour: 'silent', open: 4_700, perSecond: 4_000, from: 'one address' },
      ],
      [
        '1,000 connections that send a whole ClientHello and nothing more, each from another address',
        { behaviour: 'whole-hello', open: 1_000, perSecond: 200, from: 'many addresses' },
      ],
    ],
    [
      [
        '4,700 connections that send nothing, each from another address',
        { behaviour: 'silent', open: 4_700, perSecond: 2_000, from: 'many addresses' },
      ],
      [
        '1,000 connections that send a whole ClientHello and nothing more',
        { behaviour: 'whole-hello', open: 1_000, perSecond: 500, from: 'one address' },
      ],
      [
        '2,000 connections that send all but the end of the largest ClientHello',
        { behaviour: 'large-hello', open: 2_000, perSecond: 1_000, from: 'one address' },
      ],
      [
        '1,000 connections that send a ClientHello byte by byte',
        { behaviour: 'dribbled-hello', open: 1_000, perSecond: 500, from: 'many addresses' },
      ],
      [
        '1,000 connections that send a ClientHello in records of forty bytes, and never its last one',
        { behaviour: 'fragmented-hello', open: 1_000, perSecond: 500, from: 'one address' },
      ],
      [
        '1,000 connections that send a ClientHello and end their side',
        { behaviour: 'half-closed-hello', open: 1_000, perSecond: 200, from: 'many addresses' },
      ],
    ],
  ),
)('%s: legitimate peers are served as before, within the memory limit', async (_name, order) => {
  expectUnharmed(sidecar, await withstand(sidecar, flood(order)));
});
