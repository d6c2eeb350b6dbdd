import { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';

/** What a TLS client of this Node says first (RFC 8446, section 4.1.2), in its record. */
export function clientHello(): Promise<Buffer> {
  return new Promise((resolve) => {
    const socket = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        resolve(chunk);
        done();
      },
    });
    tlsConnect({ socket, servername: 'db.shop', minVersion: 'TLSv1.3' }).on('error', () => undefined);
  });
}
