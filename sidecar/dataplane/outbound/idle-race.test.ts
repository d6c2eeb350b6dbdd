import type { ResetReason } from '#core/refusals.ts';

import { FakeMesh } from '../../testing/data-plane.fake.ts';
import { TunnelPod } from '../../testing/tunnel-pod.fake.ts';
import { codeOf } from '../refusals/reset-reason.ts';
import { frameBytes } from '../tunnel/frames/frames.fake.ts';
import { FRAME } from '../tunnel/frames/protocol.ts';

/** A pod gives up a tunnel that carries nothing in the moment in which a stream is opened there. */

let mesh: FakeMesh;
beforeEach(async () => {
  mesh = await FakeMesh.start({ settings: { dialAttempts: 1 } });
});
afterEach(() => mesh.stop());

function reason(type: number, stream: number, why: ResetReason): Buffer {
  const code = Buffer.alloc(2);
  code.writeUInt16BE(codeOf(why));
  return frameBytes(type, stream, code);
}

/** A pod that gives up each of its first tunnels at the first stream there, and accepts streams in later ones. */
function podThatLeaves(tunnels: number, why: ResetReason): Promise<TunnelPod> {
  return TunnelPod.start(mesh, '127.0.8.1', ({ type, stream, payload }, tunnel) => {
    if (type === FRAME.data) tunnel.say(frameBytes(FRAME.data, stream, payload));
    if (type !== FRAME.open) return;
    if (pods[0]!.tunnels.indexOf(tunnel) >= tunnels) return tunnel.say(frameBytes(FRAME.accept, stream));
    tunnel.say(reason(FRAME.goAway, 0, why), reason(FRAME.reset, stream, 'draining'));
  });
}
const pods: TunnelPod[] = [];

test.each<ResetReason>(['idle', 'denied', 'limit'])(
  'a stream that meets a tunnel being closed for %s is opened in another one, with all that was said',
  async (why) => {
    pods[0] = await podThatLeaves(1, why);
    const client = await mesh.connect();
    expect((await client.exchange('hello')).toString()).toBe('hello');
    expect(pods[0].tunnels).toHaveLength(2);
  },
);

test('a pod that is shutting down is not asked again for that', async () => {
  pods[0] = await podThatLeaves(1, 'draining');
  const client = await mesh.connect();
  client.socket.write('hello');
  expect(await client.ended()).toBe('reset');
  expect(pods[0].tunnels).toHaveLength(1);
});

test('a pod that closes every tunnel so is asked a few times, and no more', async () => {
  pods[0] = await podThatLeaves(1_000, 'idle');
  const client = await mesh.connect();
  client.socket.write('hello');
  expect(await client.ended()).toBe('reset');
  expect(pods[0].tunnels).toHaveLength(4);
});
