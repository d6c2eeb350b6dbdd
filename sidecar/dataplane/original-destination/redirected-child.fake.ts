import { connect, createServer } from 'node:net';

import { kernelOriginalDestination } from './kernel.ts';

/** Run in a network namespace whose rules redirect port 80 to this listener: prints where each connection wanted to go. */
const LISTENER = 15001;
const originalDestination = await kernelOriginalDestination();
const seen: unknown[] = [];
const dialed = [
  ['127.0.0.1', 80],
  ['::1', 80],
  ['127.0.0.1', LISTENER],
] as const;

const server = createServer((socket) => {
  socket.on('error', () => undefined);
  seen.push(originalDestination.of(socket));
  socket.destroy();
  const next = dialed[seen.length];
  if (next) dial(next);
  else {
    console.log(JSON.stringify(seen));
    server.close();
  }
});

function dial([host, port]: readonly [string, number]): void {
  connect({ host, port }).on('error', () => undefined);
}

server.listen(LISTENER, '::', () => dial(dialed[0]));
