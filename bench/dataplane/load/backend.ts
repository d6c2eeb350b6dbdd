/**
 * The server behind the proxies for everything but `wrk`, and for `wrk` too where there is no nginx. The first byte of a
 * connection says what it is for: `U` uploads, `D` is sent to as fast as it goes, `H` is answered once and held; anything
 * else is HTTP.
 */
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { answerParent } from './channel.ts';
import { PatternCheck } from './pattern.ts';
import { sendForEver } from './send-for-ever.ts';

/** So far, of all connections together; `at` in milliseconds of this process. */
export interface Received {
  readonly bytes: number;
  readonly faults: number;
  readonly at: number;
}

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n';
const uploads: PatternCheck[] = [];

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => undefined).once('data', (first: Buffer) => serve(socket, first));
});

function serve(socket: Socket, first: Buffer): void {
  switch (String.fromCharCode(first[0] ?? 0)) {
    case 'U':
      return upload(socket, first.subarray(1));
    case 'D':
      return sendForEver(socket);
    case 'H':
      return void socket.write('k');
    default:
      http(socket, first);
      socket.on('data', (more: Buffer) => http(socket, more));
  }
}

function upload(socket: Socket, rest: Buffer): void {
  const check = new PatternCheck();
  uploads.push(check);
  if (rest.length > 0) check.take(rest);
  socket.on('data', (chunk: Buffer) => check.take(chunk));
}

/** Requests of a load generator come whole and short; each ends with an empty line. */
function http(socket: Socket, data: Buffer): void {
  const requests = data.toString('latin1').split('\r\n\r\n').length - 1;
  socket.write(ANSWER.repeat(requests));
  if (data.includes('Connection: close')) socket.end();
}

answerParent({
  listen: () =>
    new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', 4096, () => resolve((server.address() as AddressInfo).port)),
    ),
  received: (): Received => ({
    bytes: uploads.reduce((sum, { received }) => sum + received, 0),
    faults: uploads.reduce((sum, { faults }) => sum + faults, 0),
    at: performance.now(),
  }),
});
