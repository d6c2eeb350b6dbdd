import { resetSocket } from '../bytes/reset.ts';
import { socketLeg } from '../bytes/leg.ts';
import { ALPN_STREAM } from '../transport/alpn.ts';
import { PeerDialer } from '../transport/peer-dialer.ts';
import type { PeerConnection, PeerDialerDeps } from '../transport/peer-dialer.ts';
import { refusedBy } from '../transport/refused-by.ts';
import { OpenError } from '../transport/transport.ts';
import type { OpenStream, StreamRequest, Transport } from '../transport/transport.ts';
import { FrameError, readFrame } from './frame.ts';
import { encodeStreamHeader } from './stream-header.ts';
import { parseVerdict } from './verdict.ts';
import type { ReceivedVerdict } from './verdict.ts';

/** `mesh-stream/1`: one mutual TLS connection per stream, a header, a verdict, then raw bytes. */
export class SingleStreamTransport implements Transport {
  readonly #deps: PeerDialerDeps;
  readonly #dialer: PeerDialer;

  constructor(deps: PeerDialerDeps) {
    this.#deps = deps;
    this.#dialer = new PeerDialer(deps);
  }

  async open(request: StreamRequest, signal: AbortSignal): Promise<OpenStream> {
    const { expect } = request;
    return this.openOn(await this.#dialer.dial(request, expect, [ALPN_STREAM], signal), request, signal);
  }

  /**
   * Opens the stream of a connection that chose {@link ALPN_STREAM}.
   *
   * @throws OpenError
   */
  async openOn(
    { raw, tls, peer }: PeerConnection,
    request: StreamRequest,
    signal: AbortSignal,
  ): Promise<OpenStream> {
    const abort = () => resetSocket(raw);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const leg = socketLeg(raw, tls);
      tls.write(encodeStreamHeader(request.header));
      const verdict = await this.#verdict(leg.stream);
      if (!verdict.ok) throw refusedBy(verdict.code, verdict.reason);
      if (signal.aborted) throw OpenError.elsewhere('unreachable', 'given up');
      return { leg, peer };
    } catch (error) {
      resetSocket(raw);
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  close(): void {
    // Nothing is kept between streams.
  }

  async #verdict(stream: Parameters<typeof readFrame>[0]): Promise<ReceivedVerdict> {
    const { clock, settings } = this.#deps;
    try {
      const verdict = parseVerdict(await readFrame(stream, clock, settings.verdictMs));
      if (verdict) return verdict;
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      if (error.kind === 'timeout')
        throw OpenError.elsewhere('verdict-timeout', `no verdict within ${settings.verdictMs} ms`);
      if (error.kind === 'ended')
        throw OpenError.elsewhere('bad-verdict', 'the peer closed the connection instead of a verdict');
    }
    throw OpenError.elsewhere('bad-verdict', 'the peer answered something that is not a verdict');
  }
}
