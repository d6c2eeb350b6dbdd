import type { Svid } from '#pki/svid.ts';

import { FakeMesh, WEB } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { TunnelPeer } from '../../testing/tunnel-peer.fake.ts';
import { codeOf } from '../refusals/reset-reason.ts';
import { closeReasonIn, frameBytes } from '../tunnel/frames/frames.fake.ts';
import { tunnelProof } from '../tunnel/proof.ts';
import { FRAME } from '../tunnel/frames/protocol.ts';

/** Who vouches for a tunnel must be the very process that holds it, and have a newer certificate. */

let mesh: FakeMesh;
let old: TunnelPeer;
let ends: number;
beforeEach(async () => {
  mesh = await FakeMesh.start();
  const svid = await mesh.pki.svid(WEB, { notAfter: Date.now() + 5_000 });
  ends = svid.notAfter;
  old = await as(svid);
  await old.open(1, mesh.db.app.port);
});
afterEach(() => mesh.stop());

function as({ certChainPem: cert, keyPem: key }: Svid): Promise<TunnelPeer> {
  return TunnelPeer.greeted(mesh, { cert, key });
}

function proofOf(peer: TunnelPeer): Buffer {
  return Buffer.from(tunnelProof(peer.peer.tls!), 'hex');
}

async function expectCutAtItsEnd(): Promise<void> {
  const cut = await old.until(({ type }) => type === FRAME.reset);
  expect(closeReasonIn(cut!).code).toBe(codeOf('expired-certificate'));
  expect(Date.now()).toBeGreaterThanOrEqual(ends);
  await eventually(() => old.peer.ending !== 'open');
}

test('the same process with a newer certificate: confirmed, and the older tunnel lives on', async () => {
  const newer = await as(await mesh.pki.svid(WEB));
  newer.say(frameBytes(FRAME.vouch, 0, proofOf(old)));
  const answer = await newer.until(({ type }) => type === FRAME.vouch);
  expect(answer!.payload.equals(proofOf(old))).toBe(true);
  await pause(ends - Date.now() + 500);
  old.data(1, Buffer.from('still here'));
  expect((await old.until(({ type }) => type === FRAME.data))!.payload.toString()).toBe('still here');
  for (const peer of [old, newer]) peer.close();
});

test('nothing else changes anything', async () => {
  const batch = { namespace: 'shop', service: 'batch' };
  const newer = await as(await mesh.pki.svid(WEB));
  const vouches: readonly (readonly [string, TunnelPeer, Buffer])[] = [
    ['a proof of nothing', await as(await mesh.pki.svid(WEB)), Buffer.alloc(32, 1)],
    ['the proof of somebody else', await as(await mesh.pki.svid(batch)), proofOf(old)],
    [
      'a certificate that ends sooner',
      await as(await mesh.pki.svid(WEB, { notAfter: ends - 1_000 })),
      proofOf(old),
    ],
    ['its own proof', old, proofOf(old)],
    ['its own proof, of a newer tunnel', newer, proofOf(newer)],
  ];
  for (const [, peer, proof] of vouches) {
    peer.say(frameBytes(FRAME.vouch, 0, proof), frameBytes(FRAME.ping, 0, Buffer.from('after it')));
    await peer.until(({ type }) => type === FRAME.pong);
  }
  const answered = vouches.filter(([, peer]) => peer.frames.some(({ type }) => type === FRAME.vouch));
  expect(answered.map(([what]) => what)).toEqual([]);
  await expectCutAtItsEnd();
  for (const [, peer] of vouches) peer.close();
});

test('the proof of a tunnel that is gone changes nothing', async () => {
  const proof = proofOf(old);
  old.close();
  await eventually(() => mesh.db.inbound.tunnels === 0);
  const newer = await as(await mesh.pki.svid(WEB));
  newer.say(frameBytes(FRAME.vouch, 0, proof), frameBytes(FRAME.ping));
  await newer.until(({ type }) => type === FRAME.pong);
  expect(newer.frames.filter(({ type }) => type === FRAME.vouch)).toEqual([]);
  newer.close();
});
