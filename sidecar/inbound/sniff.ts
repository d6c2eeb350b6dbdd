import type { Socket } from 'node:net';

import type { Clock } from '#kube/clock.ts';

/** What a connection begins with. */
export type FirstBytes = 'tls' | 'plaintext' | 'silent' | 'gone';

/** First byte of every TLS connection: a record of the type "handshake" (RFC 8446, section 5.1). */
const TLS_HANDSHAKE = 0x16;

/**
 * Looks at the first byte of a connection and puts it back.
 *
 * @param timeoutMs how long the peer may stay silent
 */
export function sniff(raw: Socket, clock: Clock, timeoutMs: number): Promise<FirstBytes> {
  return new Promise((resolve) => {
    const settle = (what: FirstBytes) => {
      timer.cancel();
      raw.off('readable', look);
      raw.off('end', onGone);
      raw.off('close', onGone);
      resolve(what);
    };
    const look = () => {
      const chunk = raw.read() as Buffer | null;
      if (!chunk) return;
      raw.unshift(chunk);
      settle(chunk[0] === TLS_HANDSHAKE ? 'tls' : 'plaintext');
    };
    const onGone = () => settle('gone');
    const timer = clock.setTimeout(() => settle('silent'), timeoutMs);
    raw.on('readable', look);
    raw.on('end', onGone);
    raw.on('close', onGone);
  });
}
