import { heldMegabytes } from '../../testing/memory.fake.ts';
import { frameBytes, openBytes } from './frames/frames.fake.ts';
import { FRAME } from './frames/protocol.ts';
import { SessionPair, turn } from './session-pair.fake.ts';

test('what a peer says before it is let in holds what was said, and not all that came along with it', async () => {
  const pair = new SessionPair();
  await pair.settle();
  pair.wires[1].inject(Buffer.concat([openBytes(1, 80), openBytes(2, 80)]));
  const [stream, read] = pair.arrived;
  read!.accept();
  read!.carry({ onData() {}, onEnd() {}, onDrain() {}, onClose() {} });
  const before = await heldMegabytes();
  for (let count = 0; count < 3_000; count++) {
    const single = frameBytes(FRAME.data, 1, Buffer.from('x'));
    pair.wires[1].inject(Buffer.concat([single, frameBytes(FRAME.data, 2, Buffer.alloc(16_000))]));
    await turn();
  }
  expect((await heldMegabytes()) - before).toBeLessThan(3);
  let heard = 0;
  stream!.carry({ onData: (data) => (heard += data.length), onEnd() {}, onDrain() {}, onClose() {} });
  expect(heard).toBe(3_000);
  await pair.stop();
});
