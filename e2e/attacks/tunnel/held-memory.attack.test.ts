import { withVariants } from '../kit/variants.ts';
import type { Socket } from 'node:net';

import { Attacker } from '../kit/attacker.ts';
import type { LegitimateLoad } from '../kit/legitimate-load.ts';
import { OwnNetwork } from '../kit/own-network.ts';
import { ADDRESSES, SidecarUnderAttack } from '../kit/sidecar-under-attack.ts';
import { APPLICATION } from './hold-order.ts';
import type { HoldOrder } from './hold-order.ts';
import { expectServed } from './served.ts';

/** A peer that may be let in, and an application or a peer that does not read: what a sidecar can be made to hold. */

const PROGRAM = new URL('hold.ts', import.meta.url);
const ATTACK_MS = 20_000;
const KIB = 1_024;

let network: OwnNetwork;
let sidecar: SidecarUnderAttack;
let load: LegitimateLoad;
let attacker: Attacker | undefined;
beforeEach(async () => {
  network = OwnNetwork.enter();
  sidecar = await SidecarUnderAttack.start();
  sidecar.app.onConnection(behave);
  load = await sidecar.load();
});
afterEach(async () => {
  await attacker?.stop();
  await sidecar.stop();
  network.leave();
});

/** What the attacker's first byte asks for; and an echo for everybody else. */
function behave(socket: Socket): void {
  socket.once('data', (first: Buffer) => {
    const wanted = String.fromCharCode(first[0] ?? 0);
    if (wanted === APPLICATION.ignore) socket.pause();
    else if (wanted === APPLICATION.read) socket.resume();
    else if (wanted === APPLICATION.speak) speak(socket, Buffer.alloc(64 * KIB));
    else socket.pipe(socket).write(first);
  });
}

/** Writes for ever, as fast as it is taken. */
function speak(socket: Socket, chunk: Buffer): void {
  while (!socket.destroyed && socket.write(chunk));
  socket.once('drain', () => speak(socket, chunk));
}

type Case = Pick<HoldOrder, 'tunnels' | 'streams' | 'piece' | 'unread' | 'obeys'>;

test.each(
  withVariants<[string, Case]>(
    [
      [
        'streams of several tunnels whose application does not read, in pieces of 1 KiB',
        { tunnels: 4, streams: 512, piece: KIB, unread: 'by-application', obeys: true },
      ],
      [
        'streams whose application does not read, beyond all credit',
        { tunnels: 16, streams: 64, piece: 16 * KIB, unread: 'by-application', obeys: false },
      ],
    ],
    [
      [
        'streams of one tunnel whose application does not read, in whole records',
        { tunnels: 1, streams: 1_000, piece: 16 * KIB, unread: 'by-application', obeys: true },
      ],
      [
        'streams whose application does not read, in pieces of 2 KiB of records that are read',
        { tunnels: 4, streams: 256, piece: 2 * KIB, unread: 'by-application-among-read', obeys: true },
      ],
      [
        'streams whose application does not read, in pieces just over half of the records that they come in',
        { tunnels: 4, streams: 256, piece: 9 * KIB, unread: 'by-application-among-read', obeys: true },
      ],
      [
        'streams whose peer does not read what the application says',
        { tunnels: 16, streams: 100, piece: KIB, unread: 'by-peer', obeys: true },
      ],
    ],
  ),
)('%s', async (_what, order) => {
  const calm = await load.run(3_000);
  const { certChainPem: cert, keyPem: key } = await sidecar.identity('web');
  const to = { host: ADDRESSES.db, port: sidecar.inboundPort, localAddress: '127.1.0.1', cert, key };
  attacker = Attacker.start(PROGRAM, { ...order, ...to, appPort: sidecar.app.port });
  await attacker.says('begins');
  expectServed(sidecar, await load.run(ATTACK_MS), calm);
});
