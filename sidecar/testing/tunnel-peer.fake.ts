import type { ConnectionOptions } from 'node:tls';

import { FRAME } from '../dataplane/tunnel/frames/protocol.ts';
import {
  closeReasonIn,
  frameBytes,
  framesIn,
  helloBytes,
  openBytes,
} from '../dataplane/tunnel/frames/frames.fake.ts';
import type { Frame } from '../dataplane/tunnel/frames/frames.fake.ts';
import { ALPN_TUNNEL } from '../dataplane/transport/alpn.ts';
import type { FakeMesh } from './data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';
import { RawPeer } from './raw-peer.fake.ts';

/** A peer with a good certificate that chose `mesh/1` and then says whatever a test likes. */
export class TunnelPeer {
  readonly peer: RawPeer;

  private constructor(peer: RawPeer) {
    this.peer = peer;
  }

  /** After the handshake, and before the first frame. */
  static async mute(mesh: FakeMesh, options: ConnectionOptions = {}): Promise<TunnelPeer> {
    return new TunnelPeer(await RawPeer.web(mesh, { ALPNProtocols: [ALPN_TUNNEL], ...options }));
  }

  /** The handshake of web over a connection that was made before. */
  static async over(peer: RawPeer, mesh: FakeMesh): Promise<TunnelPeer> {
    const { svid } = mesh.web.identity.current()!;
    await peer.handshake({ cert: svid.certChainPem, key: svid.keyPem, ALPNProtocols: [ALPN_TUNNEL] });
    return new TunnelPeer(peer);
  }

  /** One that said hello. */
  static async greeted(mesh: FakeMesh, options: ConnectionOptions = {}): Promise<TunnelPeer> {
    const peer = await TunnelPeer.mute(mesh, options);
    peer.say(helloBytes());
    return peer;
  }

  say(...frames: readonly Buffer[]): void {
    this.peer.tls!.write(Buffer.concat(frames));
  }

  /** A stream to a port of the application that the other side has accepted. */
  async open(stream: number, port: number): Promise<void> {
    this.say(openBytes(stream, port));
    await this.until(({ type, stream: id }) => type === FRAME.accept && id === stream);
  }

  data(stream: number, bytes: number | Buffer): void {
    this.say(frameBytes(FRAME.data, stream, typeof bytes === 'number' ? Buffer.alloc(bytes, 7) : bytes));
  }

  /** What came so far. */
  get frames(): readonly Frame[] {
    return framesIn(this.peer.received);
  }

  /** Waits for a frame, or for the end of the connection. */
  async until(wanted: (frame: Frame) => boolean): Promise<Frame | undefined> {
    await eventually(() => this.frames.some(wanted) || this.peer.ending !== 'open');
    return this.frames.find(wanted);
  }

  /** Waits until it is cut off. @returns what it was told */
  async closeReason(): Promise<{ readonly code: number; readonly text: string } | undefined> {
    await eventually(() => this.peer.ending !== 'open', { withinMs: 30_000 });
    const last = this.frames.find(({ type }) => type === FRAME.goAway);
    return last && closeReasonIn(last);
  }

  close(): void {
    this.peer.raw.destroy();
  }
}
