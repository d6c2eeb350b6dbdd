import { setTimeout as sleep } from 'node:timers/promises';

import { Attacker } from '../kit/attacker.ts';
import { SidecarUnderAttack } from '../kit/sidecar-under-attack.ts';
import { withVariants } from '../kit/variants.ts';
import type { HandshakesOrder } from './handshakes.ts';
import { expectUnharmed, withstand } from './withstand.ts';

/** TLS handshakes that lead nowhere, in the memory that the chart gives a sidecar: each costs it a millisecond, and memory while it lasts. */

const HANDSHAKES = new URL('./handshakes.ts', import.meta.url);

let sidecar: SidecarUnderAttack;
beforeEach(async () => {
  sidecar = await SidecarUnderAttack.start();
});
afterEach(() => sidecar.stop());

type Shown = Pick<HandshakesOrder, 'certPem' | 'keyPem'>;

const nothing = (): Promise<Shown> => Promise.resolve({});
const foreign = async (): Promise<Shown> => {
  const { certChainPem: certPem, keyPem } = await (
    await sidecar.control.pki.foreign()
  ).svid({ namespace: 'shop', service: 'web' });
  return { certPem, keyPem };
};
const denied = async (): Promise<Shown> => {
  const { certChainPem: certPem, keyPem } = await sidecar.control.pki.svid({
    namespace: 'shop',
    service: 'mail',
  });
  return { certPem, keyPem };
};
/** As many certificates as OpenSSL reads of one client: 100 KB. */
const LONGEST_CHAIN = 130;

test.each(
  withVariants<[string, () => Promise<Shown>, Omit<HandshakesOrder, 'port'>]>(
    [
      [
        'handshakes without a certificate, over and over',
        nothing,
        { open: 100, afterwards: 'close', from: 'one address' },
      ],
      [
        '200 handshakes that stop in the middle of the longest chain of certificates',
        foreign,
        { open: 200, afterwards: 'stay', from: 'many addresses', times: LONGEST_CHAIN, atMostBytes: 70_000 },
      ],
      [
        'handshakes with the longest chain of certificates of a foreign authority, each from another address',
        foreign,
        { open: 20, afterwards: 'close', from: 'many addresses', times: LONGEST_CHAIN },
      ],
    ],
    [
      [
        'handshakes with the certificate of a foreign authority, over and over',
        foreign,
        { open: 100, afterwards: 'close', from: 'one address' },
      ],
      [
        'handshakes with the certificate of a foreign authority, each from another address',
        foreign,
        { open: 20, afterwards: 'close', from: 'many addresses' },
      ],
      [
        '500 connections of a denied service that never say what they want',
        denied,
        { open: 500, afterwards: 'stay', alpn: 'mesh-stream/1', from: 'one address' },
      ],
    ],
  ),
)('%s: legitimate peers are served as before, within the memory limit', async (_name, shown, order) => {
  const attack = { program: HANDSHAKES, order: { port: sidecar.inboundPort, ...(await shown()), ...order } };
  expectUnharmed(sidecar, await withstand(sidecar, [attack]));
});

/** Node's own `tls.Server` keeps 1.3 MB of each, in Node 24 (docs/decisions/0026-before-admission.md). */
test('of the longest chain that a member of the mesh shows little is kept once its connection is over', async () => {
  const order = { open: 4, afterwards: 'stay', from: 'many addresses', times: LONGEST_CHAIN };
  const attacker = Attacker.start(HANDSHAKES, {
    port: sidecar.inboundPort,
    ...(await denied()),
    ...order,
  });
  const made = (): number => Number([...attacker.said.matchAll(/handshakes (\d+)/g)].at(-1)?.[1] ?? 0);
  const before = sidecar.peakBytes;
  try {
    while (made() < 150) await sleep(50);
    expect((sidecar.peakBytes - before) / made()).toBeLessThan(300_000);
  } finally {
    await attacker.stop();
  }
});
