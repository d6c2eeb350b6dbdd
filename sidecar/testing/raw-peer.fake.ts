import { connect as netConnect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { ConnectionOptions, TLSSocket } from 'node:tls';

import { wasReset } from '../dataplane/bytes/reset.ts';
import { encodeFrame } from '../dataplane/single-stream/frame.ts';
import { ALPN_STREAM } from '../dataplane/transport/alpn.ts';
import type { FakeMesh } from './data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import type { Ending } from './app.fake.ts';

/** A peer that speaks to an inbound listener by hand and may say anything. */
export class RawPeer {
  readonly raw: Socket;
  tls: TLSSocket | undefined;
  ending: Ending = 'open';
  secure = false;
  #received: Buffer[] = [];

  private constructor(raw: Socket) {
    this.raw = raw;
    raw.on('error', () => (this.ending = 'reset'));
    raw.on('close', () => (this.ending = this.ending === 'open' ? 'end' : this.ending));
  }

  /** A TCP connection to the first pod's inbound port; nothing said yet. */
  static async open(mesh: FakeMesh): Promise<RawPeer> {
    const raw = netConnect({ port: mesh.inboundPort, host: mesh.db.address, allowHalfOpen: true });
    const peer = new RawPeer(raw);
    // A reset may come so early that there is no connection to speak of.
    await new Promise((resolve) => raw.once('connect', resolve).once('close', resolve));
    mesh.onStop(() => void raw.destroy());
    return peer;
  }

  /** What came so far. */
  get received(): Buffer {
    if (this.#received.length !== 1) this.#received = [Buffer.concat(this.#received)];
    return this.#received[0]!;
  }

  /** Collects what comes without TLS. */
  listen(): this {
    this.raw.on('data', (chunk: Buffer) => this.#received.push(chunk));
    this.raw.on('end', () => this.onEnd());
    return this;
  }

  /** Starts TLS; resolves when the handshake is over, one way or the other. */
  async handshake(options: ConnectionOptions): Promise<this> {
    const tls = tlsConnect({
      socket: this.raw,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      ...options,
    });
    this.tls = tls;
    tls.on('data', (chunk: Buffer) => this.#received.push(chunk));
    tls.on('end', () => this.onEnd());
    tls.on('error', () => (this.ending = 'reset'));
    tls.on('secureConnect', () => (this.secure = true));
    await eventually(() => this.secure || this.ending !== 'open');
    return this;
  }

  /** The certificate of web, and our own protocol. */
  static async web(mesh: FakeMesh, options: ConnectionOptions = {}): Promise<RawPeer> {
    const { svid } = mesh.web.identity.current()!;
    const peer = await RawPeer.open(mesh);
    return peer.handshake({
      cert: svid.certChainPem,
      key: svid.keyPem,
      ALPNProtocols: [ALPN_STREAM],
      ...options,
    });
  }

  /** Sends a frame and waits for the answer's JSON; undefined when the connection ends without one. */
  async ask(message: object): Promise<unknown> {
    this.tls!.write(encodeFrame(message));
    return this.answer();
  }

  async answer(): Promise<unknown> {
    await eventually(() => this.frame() !== undefined || this.ending !== 'open');
    return this.frame();
  }

  async ended(): Promise<Ending> {
    await eventually(() => this.ending !== 'open');
    return this.ending;
  }

  private onEnd(): void {
    if (this.ending === 'open') this.ending = wasReset(this.raw) ? 'reset' : 'end';
  }

  private frame(): unknown {
    if (this.received.length < 4) return undefined;
    const length = this.received.readUInt32BE(0);
    return this.received.length < 4 + length
      ? undefined
      : JSON.parse(this.received.subarray(4, 4 + length).toString());
  }
}
