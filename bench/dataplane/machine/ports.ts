import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A port of 127.0.0.1 that nobody listens on now. Never the same twice in a row: the kernel hands them out in turn. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) =>
    server.once('error', reject).listen(0, '127.0.0.1', () => resolve()),
  );
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/**
 * Sends `text` to a port and waits for an answer, whatever it is.
 *
 * @returns the first bytes, or undefined when the connection fails or ends, or a second passes without any
 */
export function firstAnswer(port: number, text: string): Promise<Buffer | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    const settle = (answer?: Buffer): void => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(1_000, () => settle());
    socket.on('error', () => settle()).on('end', () => settle());
    socket.once('data', settle).write(text);
  });
}

/**
 * Asks again and again until there is an answer.
 *
 * @param alive throws when there will never be one
 * @throws Error when there is none in time
 */
export async function untilAnswered(port: number, text: string, alive: () => void): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (Date.now() < deadline) {
    alive();
    if (await firstAnswer(port, text)) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('nothing came through within 20 seconds');
}
