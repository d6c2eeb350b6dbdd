import { createServer } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import { ALPN_TUNNEL } from '../dataplane/transport/alpn.ts';
import { closeReasonIn, framesIn, helloBytes } from '../dataplane/tunnel/frames/frames.fake.ts';
import type { Frame } from '../dataplane/tunnel/frames/frames.fake.ts';
import { FRAME } from '../dataplane/tunnel/frames/protocol.ts';
import { DB } from './data-plane.fake.ts';
import type { FakeMesh } from './data-plane.fake.ts';
import { eventually } from '#base/testing/eventually.ts';

/** One tunnel that somebody opened to a {@link TunnelPod}. */
export class PodTunnel {
  readonly tls: TLSSocket;
  received = Buffer.alloc(0);
  closed = false;

  constructor(tls: TLSSocket) {
    this.tls = tls;
    tls.on('data', (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])));
    tls.on('error', () => undefined);
    tls.on('close', () => (this.closed = true));
  }

  get frames(): readonly Frame[] {
    return framesIn(this.received);
  }

  say(...frames: readonly Buffer[]): void {
    this.tls.write(Buffer.concat(frames));
  }

  /** Waits until it is cut off. @returns what it was told */
  async closeReason(): Promise<{ readonly code: number; readonly text: string } | undefined> {
    await eventually(() => this.closed, { withinMs: 30_000 });
    const last = this.frames.find(({ type }) => type === FRAME.goAway);
    return last && closeReasonIn(last);
  }
}

/** A pod of db with a good certificate that speaks `mesh/1` by hand, and may answer anything. */
export class TunnelPod {
  readonly tunnels: PodTunnel[] = [];

  /**
   * @param address of 127.0.0.0/8, not one of the mesh's own pods
   * @param onFrame called for every frame that arrives; a HELLO was said already unless `mute`
   */
  static async start(
    mesh: FakeMesh,
    address: string,
    onFrame: (frame: Frame, tunnel: PodTunnel) => void,
    { mute = false }: { readonly mute?: boolean } = {},
  ): Promise<TunnelPod> {
    const pod = new TunnelPod();
    const svid = await mesh.pki.svid(DB);
    const server = createServer(
      {
        cert: svid.certChainPem,
        key: svid.keyPem,
        ca: mesh.pki.bundlePem,
        requestCert: true,
        rejectUnauthorized: false,
        minVersion: 'TLSv1.3',
        ALPNProtocols: [ALPN_TUNNEL],
      },
      (tls) => {
        const tunnel = new PodTunnel(tls);
        pod.tunnels.push(tunnel);
        if (!mute) tunnel.say(helloBytes());
        let seen = 0;
        tls.on('data', () => {
          for (const frame of tunnel.frames.slice(seen)) {
            seen += 1;
            onFrame(frame, tunnel);
          }
        });
      },
    );
    await new Promise<void>((resolve) => server.listen(mesh.inboundPort, address, resolve));
    mesh.onStop(() => {
      for (const { tls } of pod.tunnels) tls.destroy();
      server.close();
    });
    mesh.target.set([{ address, port: mesh.db.app.port }]);
    return pod;
  }
}
