import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { systemClock } from '#base/clock.ts';

import { waitUntilReady } from './wait.ts';

test('waits until the sidecar is ready', async () => {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked++;
    response.writeHead(asked < 3 ? 503 : 200).end('waiting for: policy\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await waitUntilReady({ clock: systemClock, port })).toBeUndefined();
  expect(asked).toBe(3);
  server.close();
});

test('says in the end what was missing', async () => {
  const server = createServer(
    (_request, response) => void response.writeHead(503).end('waiting for: policy\n'),
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await waitUntilReady({ clock: systemClock, port, timeoutMs: 300 })).toMatch(
    /not ready after 0 s: waiting for: policy/,
  );
  server.close();
  server.closeAllConnections();
  expect(await waitUntilReady({ clock: systemClock, port, timeoutMs: 200 })).toMatch(
    /does not answer \(ECONNREFUSED\)/,
  );
});
