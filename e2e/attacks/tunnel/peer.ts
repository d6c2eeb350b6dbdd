import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import {
  frameBytes,
  framesIn,
  helloBytes,
  numberBytes,
  openBytes,
} from '#sidecar/dataplane/tunnel/frames/frames.fake.ts';
import type { Frame } from '#sidecar/dataplane/tunnel/frames/frames.fake.ts';
import { FRAME } from '#sidecar/dataplane/tunnel/frames/protocol.ts';

/** Where a hostile peer connects, and as whom. */
export interface Target {
  readonly host: string;
  readonly port: number;
  /** PEM. */
  readonly cert: string;
  readonly key: string;
  /** Where it connects from. */
  readonly localAddress?: string | undefined;
}

/** A peer with a good certificate that speaks `mesh/1` and says whatever an attack wants. */
export class Peer {
  readonly tls: TLSSocket;
  closed = false;
  /** Frames that came, except DATA. */
  readonly onFrame: ((frame: Frame) => void)[] = [];
  /** Bytes of DATA that came. */
  received = 0;
  #rest = Buffer.alloc(0);
  #nextStream = 1;

  private constructor(tls: TLSSocket) {
    this.tls = tls;
    tls.on('error', () => undefined);
    tls.once('close', () => (this.closed = true));
    tls.on('data', (chunk: Buffer) => this.#read(chunk));
  }

  /** Connects and says hello. @returns undefined when it was not let in */
  static async connect(
    { host, port, cert, key, localAddress }: Target,
    alpn = 'mesh/1',
  ): Promise<Peer | undefined> {
    const tls = connect({
      host,
      port,
      cert,
      key,
      ...(localAddress === undefined ? {} : { localAddress }),
      ALPNProtocols: [alpn],
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    });
    tls.setNoDelay(true);
    tls.setMaxListeners(0);
    const peer = new Peer(tls);
    await new Promise<void>((resolve) => {
      tls.once('secureConnect', resolve).once('close', resolve);
    });
    if (peer.closed) return undefined;
    if (alpn === 'mesh/1') peer.say(helloBytes());
    return peer;
  }

  say(...bytes: readonly Buffer[]): boolean {
    return this.closed ? true : this.tls.write(bytes.length === 1 ? bytes[0]! : Buffer.concat(bytes));
  }

  /** Says it again and again, as fast as the other side takes it, until the connection is closed. */
  async repeat(make: () => Buffer): Promise<void> {
    while (!this.closed) {
      if (!this.say(make()))
        await new Promise<void>((resolve) => void this.tls.once('drain', resolve).once('close', resolve));
      else await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The number of a stream that was not opened yet. */
  nextStream(): number {
    return this.#nextStream++;
  }

  /** Opens a stream. @returns its number */
  open(port: number): number {
    const id = this.nextStream();
    this.say(openBytes(id, port));
    return id;
  }

  /** Opens a stream and waits for the answer. @returns its number; undefined when it was refused */
  async accepted(port: number): Promise<number | undefined> {
    const id = this.open(port);
    const answer = await this.until(
      ({ type, stream }) => stream === id && (type === FRAME.accept || type === FRAME.reset),
    );
    return answer?.type === FRAME.accept ? id : undefined;
  }

  data(stream: number, bytes: Buffer): boolean {
    return this.say(frameBytes(FRAME.data, stream, bytes));
  }

  credit(stream: number, bytes: number): void {
    this.say(frameBytes(FRAME.credit, stream, numberBytes(bytes)));
  }

  /** Waits for a frame. @returns undefined when the connection is closed before */
  until(wanted: (frame: Frame) => boolean): Promise<Frame | undefined> {
    return new Promise((resolve) => {
      const done = (frame?: Frame): void => {
        this.onFrame.splice(this.onFrame.indexOf(look), 1);
        this.tls.off('close', onClose);
        resolve(frame);
      };
      const look = (frame: Frame): void => (wanted(frame) ? done(frame) : undefined);
      const onClose = (): void => done();
      this.onFrame.push(look);
      if (this.closed) onClose();
      else this.tls.once('close', onClose);
    });
  }

  #read(chunk: Buffer): void {
    const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    const frames = framesIn(bytes);
    const read = frames.reduce((sum, { payload }) => sum + 8 + payload.length, 0);
    this.#rest = Buffer.from(bytes.subarray(read));
    for (const frame of frames) {
      if (frame.type === FRAME.data) this.received += frame.payload.length;
      // Who does not answer is given up after fifteen seconds.
      else if (frame.type === FRAME.ping) this.say(frameBytes(FRAME.pong, 0, frame.payload));
      else for (const look of [...this.onFrame]) look(frame);
    }
  }
}
