import type { Socket } from 'node:net';

import { MAX_GREETING_BYTES, greetingOf } from '#core/net/client-hello.ts';

const FIRST_BYTES = 1_024;

/**
 * Reads until it is known what a connection begins with, and puts what it read back. What comes in small pieces is copied
 * together: each piece by itself would take many times its size.
 */
export function readGreeting(socket: Socket, done: (greeting: 'complete' | 'malformed') => void): void {
  let held = Buffer.alloc(0);
  let length = 0;
  const append = (chunk: Buffer): void => {
    if (length + chunk.length > held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_BYTES, 2 * held.length, length + chunk.length));
      held.copy(larger, 0, 0, length);
      held = larger;
    }
    length += chunk.copy(held, length);
  };
  const onReadable = (): void => {
    const chunk = socket.read() as Buffer | null;
    if (!chunk) return;
    append(chunk);
    const bytes = held.subarray(0, length);
    const greeting = length > MAX_GREETING_BYTES ? 'malformed' : greetingOf(bytes);
    if (greeting === undefined) return;
    socket.off('readable', onReadable);
    if (greeting === 'tls') socket.unshift(bytes);
    done(greeting === 'tls' ? 'complete' : 'malformed');
  };
  socket.on('readable', onReadable);
}
