import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { FakeApp } from '../../testing/app.fake.ts';
import { FakeMetrics } from '../../testing/metrics.fake.ts';
import { Listener } from './listener.ts';

const CHILD = fileURLToPath(new URL('./few-descriptors-child.fake.ts', import.meta.url));

test('without descriptors the listener lives, and serves again when there are some', () => {
  const script = `ulimit -n 96 && exec "${process.execPath}" --import tsx "${CHILD}"`;
  const env = { ...process.env, NODE_OPTIONS: '' };
  const output = execFileSync('bash', ['-c', script], { encoding: 'utf8', env, timeout: 60_000 });
  expect(JSON.parse(output)).toMatchObject({ servedAfterwards: true });
}, 90_000);

test('a port that is taken is named', async () => {
  const app = await new FakeApp().start();
  const listener = new Listener({
    hosts: ['127.0.0.1'],
    port: app.port,
    metrics: new FakeMetrics(),
    onConnection: () => undefined,
  });
  await expect(listener.start()).rejects.toThrow(
    new RegExp(`^cannot listen on port ${app.port} of 127\\.0\\.0\\.1: .*EADDRINUSE`),
  );
  await app.stop();
});
