/** A program that attacks: whole TLS handshakes, one after another, each as far as it is told to go. */
import { connect as netConnect } from 'node:net';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as tlsConnect } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';

/** Told as JSON in the first argument. */
export interface HandshakesOrder {
  readonly port: number;
  /** Shown in the handshake; none where absent. */
  readonly certPem?: string;
  readonly keyPem?: string;
  /** How often the certificate stands in its chain. Default once. */
  readonly times?: number;
  readonly alpn?: string;
  /** Connections at a time. */
  readonly open: number;
  /** Whether the connection ends with its handshake, or stays and says nothing more. */
  readonly afterwards: 'close' | 'stay';
  readonly from: 'one address' | 'many addresses';
  /** Of what the client has to say to finish its handshake, only so many bytes are sent. */
  readonly atMostBytes?: number;
}

const order = JSON.parse(process.argv[2] ?? '{}') as HandshakesOrder;
let made = 0;
await Promise.all(Array.from({ length: order.open }, attackForever));

async function attackForever(): Promise<void> {
  for (;;) {
    await attack();
    await sleep(1);
  }
}

function attack(): Promise<void> {
  made += 1;
  if (made >= order.open) console.log(`attacking; handshakes ${made}`);
  return new Promise((resolve) => {
    const raw = netConnect({ host: '127.0.0.1', port: order.port, localAddress: address() });
    const tls = tlsConnect({
      socket: order.atMostBytes === undefined ? raw : bounded(raw, order.atMostBytes),
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ...(order.certPem === undefined
        ? {}
        : { cert: order.certPem.repeat(order.times ?? 1), key: order.keyPem }),
      ...(order.alpn === undefined ? {} : { ALPNProtocols: [order.alpn] }),
    });
    tls.on('error', () => undefined);
    raw.on('error', () => undefined).once('close', () => resolve());
    if (order.afterwards === 'close') tls.once('secureConnect', () => raw.destroy());
    else tls.once('secureConnect', () => tls.resume());
  });
}

/** A connection on which no more than so many bytes are ever sent. */
function bounded(raw: Socket, bytes: number): Duplex {
  let left = bytes;
  const wire = new Duplex({
    read: () => undefined,
    write: (chunk: Buffer, _encoding, done) => {
      if (left > 0) raw.write(chunk.subarray(0, left));
      left -= chunk.length;
      done();
    },
  });
  raw.on('data', (chunk: Buffer) => void wire.push(chunk)).once('close', () => wire.destroy());
  return wire;
}

/** Of 127.0.0.0/8, but none that the kit gives to others. */
function address(): string {
  if (order.from === 'one address') return '127.0.0.66';
  const part = () => 1 + Math.floor(Math.random() * 250);
  return `127.${part()}.${part()}.${part()}`;
}
