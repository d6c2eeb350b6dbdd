import { systemClock } from '#base/clock.ts';

import { DEFAULT_SETTINGS } from '../interfaces/settings.ts';
import { FakeApp } from '../../testing/app.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { AppDialer, appAddresses } from './app-dialer.ts';

const POD_IP = '127.0.2.1';
const never = new AbortController().signal;
let app: FakeApp;
afterEach(() => app.stop());

function dialer(podIPs: readonly string[], transparent = true, settings = DEFAULT_SETTINGS): AppDialer {
  return new AppDialer({ addresses: appAddresses(podIPs, transparent), clock: systemClock, settings });
}

test("a transparent pod's application is reached at the pod's own address, from the sidecar's", async () => {
  app = await new FakeApp().start(POD_IP);
  const socket = await dialer([POD_IP]).dial(app.port, never);
  await eventually(() => app.seen === 1);
  expect(app.sockets[0]!.remoteAddress).toBe('127.0.0.6');
  expect(app.sockets[0]!.localAddress).toBe(POD_IP);
  socket.destroy();
});

test('an application that listens on loopback only is reached there', async () => {
  app = await new FakeApp().start('127.0.0.1');
  (await dialer([POD_IP]).dial(app.port, never)).destroy();
  await eventually(() => app.seen === 1);
});

test('an application bound to the second address of the pod is reached there', async () => {
  app = await new FakeApp().start('127.0.2.2');
  (await dialer([POD_IP, '127.0.2.2']).dial(app.port, never)).destroy();
  await eventually(() => app.seen === 1);
});

test('an application on IPv6 loopback is reached in a pod that has IPv6', async () => {
  app = await new FakeApp().start('::1');
  (await dialer([POD_IP, '::1']).dial(app.port, never)).destroy();
  await eventually(() => app.seen === 1);
});

test('a pod without redirection is reached on loopback alone', async () => {
  app = await new FakeApp().start(POD_IP);
  await expect(dialer([POD_IP], false).dial(app.port, never)).rejects.toMatchObject({
    reason: 'app-unreachable',
  });
  expect(app.seen).toBe(0);
});

describe('for cleartext', () => {
  test('the application is dialed at the address that the client dialed, and not from that of the sidecar', async () => {
    app = await new FakeApp().start(POD_IP);
    (await dialer(['127.0.2.2', POD_IP]).dialAt(POD_IP, app.port, never)).destroy();
    await eventually(() => app.seen === 1);
    expect(app.sockets[0]!.remoteAddress).not.toBe('127.0.0.6');
  });

  test('an application that listens on loopback only is not found, and neither is one at another address of the pod', async () => {
    for (const host of ['127.0.0.1', '127.0.2.2']) {
      app = await new FakeApp().start(host);
      await expect(dialer([POD_IP, '127.0.2.2']).dialAt(POD_IP, app.port, never)).rejects.toMatchObject({
        reason: 'app-unreachable',
        message: expect.stringContaining(`the application does not answer on port ${app.port}`),
      });
      expect(app.seen).toBe(0);
      await app.stop();
    }
  });

  test.each([
    ['loopback', '127.0.0.1', [POD_IP], true],
    ['IPv6 loopback', '::1', ['fd00::1'], true],
    ['loopback, in a pod without redirection', '127.0.0.1', [POD_IP], false],
    ['another host', '127.0.3.7', [POD_IP], true],
  ])('no other address is dialed: %s', async (_what, address, podIPs, transparent) => {
    app = await new FakeApp().start(address);
    const dialed = dialer(podIPs, transparent).dialAt(address, app.port, never);
    await expect(dialed).rejects.toMatchObject({ reason: 'unknown-destination' });
    expect(app.seen).toBe(0);
  });
});

test('dialing stops when nobody waits any more', async () => {
  app = await new FakeApp().start();
  const gone = AbortSignal.abort();
  await expect(dialer([POD_IP]).dial(app.port, gone)).rejects.toMatchObject({ reason: 'app-unreachable' });
  expect(app.seen).toBe(0);
});
