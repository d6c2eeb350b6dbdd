import { canonicalAddress } from '#core/net/address.ts';
/**
 * A program for the tests in network namespaces: listens, and answers each connection with one JSON line that says where it
 * arrived, where it was meant to go, and who called.
 *
 *     listener.fake.ts UID ADDRESS:PORT...
 */
import { createServer } from 'node:net';

import { kernelOriginalDestination } from '../../dataplane/original-destination/kernel.ts';
import { formatAddress } from '../../dataplane/original-destination/original-destination.ts';

const [uid = '', ...addresses] = process.argv.slice(2);
const kernel = await kernelOriginalDestination();
process.setgid?.(Number(uid));
process.setuid?.(Number(uid));

for (const text of addresses) {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(text) ?? [];
  const server = createServer((socket) => {
    const original = kernel.of(socket);
    const answer = {
      at: Number(port),
      original: original && formatAddress(original),
      peer: canonicalAddress(socket.remoteAddress ?? ''),
    };
    socket.on('error', () => undefined).end(`${JSON.stringify(answer)}\n`);
  });
  await new Promise<void>((resolve) => server.listen({ host, port: Number(port), ipv6Only: false }, resolve));
}
console.log('listening');
