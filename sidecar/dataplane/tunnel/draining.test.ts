import { FakeMesh } from '../../testing/data-plane.fake.ts';
import type { ServerPod } from '../../testing/data-plane.fake.ts';
import { eventually, pause } from '#base/testing/eventually.ts';
import { RawPeer } from '../../testing/raw-peer.fake.ts';
import { TunnelPeer } from '../../testing/tunnel-peer.fake.ts';
import { codeOf } from '../refusals/reset-reason.ts';
import { closeReasonIn, helloBytes, openBytes } from './frames/frames.fake.ts';
import { FRAME } from './frames/protocol.ts';

/** A pod that leaves: its streams finish, and new ones go elsewhere although there is a tunnel to it. */

let mesh: FakeMesh;
let leaving: ServerPod;
let staying: ServerPod;
beforeEach(async () => {
  mesh = await FakeMesh.start({ pods: 2 });
  [leaving, staying] = mesh.pods as [ServerPod, ServerPod];
});
afterEach(() => mesh.stop());

/** Connections until both pods have some. */
async function spread(): Promise<{ there: number; clients: Awaited<ReturnType<FakeMesh['connect']>>[] }> {
  const clients = [];
  while (leaving.inbound.open < 2 || staying.inbound.open < 1) {
    const client = await mesh.connect();
    await client.exchange('hello');
    clients.push(client);
  }
  return { there: leaving.inbound.open, clients };
}

test('open streams finish, new ones go to the other pod, and then the tunnel closes', async () => {
  const { there, clients } = await spread();
  let stopped = false;
  void leaving.inbound.stop({ minimumMs: 0, deadlineMs: 20_000 }).then(() => (stopped = true));
  await pause(100);
  const before = leaving.app.seen;
  for (let index = 0; index < 10; index++) {
    const client = await mesh.connect();
    expect((await client.exchange('hello')).toString()).toBe('hello');
  }
  expect(leaving.app.seen).toBe(before);
  expect(leaving.inbound.open).toBe(there);
  for (const client of clients) expect((await client.exchange('still')).toString()).toBe('still');
  expect(stopped).toBe(false);
  for (const client of clients) client.close();
  await eventually(() => stopped);
  expect(leaving.metrics.cut).toEqual([]);
  expect(mesh.web.metrics.refused).toEqual([]);
});

test('a pod without streams is gone at once, however many tunnels were open to it', async () => {
  const { clients } = await spread();
  for (const client of clients) client.close();
  await eventually(() => leaving.inbound.open === 0);
  expect(leaving.inbound.tunnels).toBe(1);
  const started = Date.now();
  await leaving.inbound.stop({ minimumMs: 0, deadlineMs: 20_000 });
  expect(Date.now() - started).toBeLessThan(3_000);
});

test('a tunnel whose handshake ended when the pod was leaving already is told so', async () => {
  const early = await RawPeer.open(mesh);
  await eventually(() => leaving.inbound.accepted === 1);
  void leaving.inbound.stop({ minimumMs: 0, deadlineMs: 3_000 });
  await pause(50);
  const peer = await TunnelPeer.over(early, mesh);
  peer.say(helloBytes());
  const goAway = await peer.until(({ type }) => type === FRAME.goAway);
  expect(closeReasonIn(goAway!)).toEqual({ code: codeOf('draining'), text: 'this pod is shutting down' });
  peer.close();
});

test('a peer is told that the pod leaves, and its new streams are refused with the reason', async () => {
  const peer = await TunnelPeer.greeted(mesh);
  peer.say(openBytes(1, leaving.app.port));
  await peer.until(({ type }) => type === FRAME.accept);
  void leaving.inbound.stop({ minimumMs: 0, deadlineMs: 2_000 });
  const goAway = await peer.until(({ type }) => type === FRAME.goAway);
  expect(closeReasonIn(goAway!)).toEqual({ code: codeOf('draining'), text: 'this pod is shutting down' });
  peer.say(openBytes(2, leaving.app.port));
  const refused = await peer.until(({ type, stream }) => type === FRAME.reset && stream === 2);
  expect(closeReasonIn(refused!)).toEqual({ code: codeOf('draining'), text: 'this pod is shutting down' });
  peer.close();
});
