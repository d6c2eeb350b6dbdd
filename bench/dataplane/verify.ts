import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import type { AddressInfo } from 'node:net';

import { parseServerHello } from './measure/server-hello.ts';
import type { Agreed } from './measure/server-hello.ts';
import { Tap } from './measure/tap.ts';
import type { House } from './machine/house.ts';
import { firstAnswer } from './machine/ports.ts';
import type { Servers } from './machine/servers.ts';
import type { Proxy } from './proxies/proxy.ts';
import { withPair } from './work/workload.ts';

/** What a pair of proxies really does, seen from outside. */
export interface Verified {
  readonly agreed: Agreed;
  /** A second connection went on with the session of the first. */
  readonly resumes: boolean;
}

/**
 * Looks between two proxies: what they agree on, and that each turns away whom it must.
 *
 * @throws Error when one end does not check the other
 */
export async function verify(house: House, servers: Servers, proxy: Proxy): Promise<Verified> {
  const tap = new Tap();
  try {
    const agreements = await withPair(
      { proxy, servers },
      'backend',
      async ({ port, peerPort }) => {
        if (await answersStranger(peerPort))
          throw new Error(
            'the server side takes clients without a certificate: this would be no fair comparison',
          );
        await firstAnswer(port, 'H');
        await firstAnswer(port, 'H');
        return tap.answers.map(parseServerHello).filter((agreed) => agreed !== undefined);
      },
      { via: (peerPort) => tap.between(peerPort) },
    );
    const [agreed] = agreements;
    if (!agreed) throw new Error('no TLS was seen between the two proxies');
    if (await trustsImpostor(house, servers, proxy))
      throw new Error('the client side trusts any server: this would be no fair comparison');
    return { agreed, resumes: agreements.some(({ resumed }) => resumed) };
  } finally {
    tap.close();
  }
}

/** Whether a client that shows no certificate gets through to the application. */
function answersStranger(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, minVersion: 'TLSv1.2' });
    const settle = (answered: boolean): void => {
      socket.destroy();
      resolve(answered);
    };
    socket.setTimeout(2_000, () => settle(false));
    socket.on('error', () => settle(false)).on('close', () => settle(false));
    socket.once('data', () => settle(true)).once('secureConnect', () => socket.write('H'));
  });
}

/** Whether the client's proxy sends anything to a server whose certificate has the right names and a strange root. */
async function trustsImpostor({ certificates }: House, servers: Servers, proxy: Proxy): Promise<boolean> {
  const { certPem, keyPem } = certificates.impostor;
  let [trusted, reached] = [false, false];
  const impostor = createTlsServer({
    cert: certPem,
    key: keyPem,
    requestCert: true,
    rejectUnauthorized: false,
  });
  impostor.on('tlsClientError', () => undefined).on('connection', () => (reached = true));
  impostor.on('secureConnection', (socket) => {
    socket.on('error', () => undefined).once('data', () => (trusted = true));
  });
  const via = async (): Promise<number> => {
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    return (impostor.address() as AddressInfo).port;
  };
  const pair = await proxy.start({ backend: servers.backend, via });
  try {
    // An answer never comes; what counts is whether the question does.
    const deadline = Date.now() + 15_000;
    while (!reached) {
      pair.requireAlive();
      if (Date.now() > deadline) throw new Error('the client side never connected to another server');
      await firstAnswer(pair.port, 'H');
      await pause(100);
    }
    await pause(300);
    return trusted;
  } finally {
    await pair.stop();
    impostor.close();
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
