import { createServer } from 'node:net';

/** Tests run in several processes at once: each has ports of its own, below those that the system hands out by itself. */
const FIRST_PORT = 20_500 + 400 * (Number(process.env['JEST_WORKER_ID'] ?? '0') % 28);
// Runs of tests at the same time begin at different ones.
let nextPort = FIRST_PORT + (process.pid % 400);

/** A port that nobody holds at any loopback address. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = nextPort;
    nextPort = nextPort === FIRST_PORT + 399 ? FIRST_PORT : nextPort + 1;
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '0.0.0.0', () => resolve(true));
    });
    if (!free) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
