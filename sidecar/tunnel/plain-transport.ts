import type { Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import { PORTS } from '#core/constants.ts';
import type { Clock } from '#kube/clock.ts';

import { admit } from '../connection/admit.ts';
import type { AdmittedPeer, HandshakeTrust } from '../connection/admit.ts';
import { ConnectError, connectTo } from '../connection/connect.ts';
import { socketLeg } from '../connection/leg.ts';
import { resetSocket } from '../connection/reset.ts';
import { Refusal } from '../connection/refusal.ts';
import type { RefusalReason } from '../connection/refusal.ts';
import type { DataPlaneSettings } from '../connection/settings.ts';
import type { DataPlaneMetrics } from '../seams/data-plane-metrics.ts';
import type { IdentitySource } from '../seams/identity-source.ts';
import { ALPN_STREAM } from './alpn.ts';
import { ClientContext } from './client-context.ts';
import type { Current } from './client-context.ts';
import { FrameError, readFrame } from './frame.ts';
import { encodeStreamHeader } from './stream-header.ts';
import { OpenError } from './transport.ts';
import type { OpenStream, StreamRequest, Transport } from './transport.ts';
import { parseVerdict } from './verdict.ts';
import type { ReceivedVerdict } from './verdict.ts';

export interface PlainTransportDeps {
  readonly identity: IdentitySource;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly settings: DataPlaneSettings;
  /** Port of the peers' sidecars; default {@link PORTS}.inbound. */
  readonly port?: number;
}

/** Whether another endpoint may do better, for each verdict we know; an unknown one is like `app-unreachable`. */
const VERDICTS: Readonly<Record<string, { reason: RefusalReason; retry: boolean; eject: boolean }>> = {
  denied: { reason: 'denied', retry: false, eject: false },
  'port-not-declared': { reason: 'port-not-declared', retry: true, eject: false },
  'app-unreachable': { reason: 'app-unreachable', retry: true, eject: true },
  draining: { reason: 'draining', retry: true, eject: true },
  'not-ready': { reason: 'not-ready', retry: true, eject: true },
  limit: { reason: 'limit', retry: true, eject: true },
};

/** `mesh-stream/1`: one mutual TLS connection per stream, a header, a verdict, then raw bytes. */
export class PlainTransport implements Transport {
  readonly #deps: PlainTransportDeps;
  readonly #context: ClientContext;

  constructor(deps: PlainTransportDeps) {
    this.#deps = deps;
    this.#context = new ClientContext(deps.identity);
  }

  async open(request: StreamRequest, signal: AbortSignal): Promise<OpenStream> {
    const identity = this.#context.current();
    if (!identity)
      throw new OpenError('not-ready', 'this sidecar has no certificate yet', { retry: false, eject: false });
    const raw = await this.#connect(request, signal);
    const abort = () => resetSocket(raw);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const { tls, peer } = await this.#handshake(raw, request, identity);
      const leg = socketLeg(raw, tls);
      tls.write(encodeStreamHeader(request.header));
      requireConsent(await this.#verdict(tls));
      if (signal.aborted) throw failed('unreachable', 'given up');
      return { leg, peer };
    } catch (error) {
      resetSocket(raw);
      throw error;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  async #connect({ address }: StreamRequest, signal: AbortSignal): Promise<Socket> {
    const { clock, settings, port = PORTS.inbound } = this.#deps;
    try {
      const raw = await connectTo({ address, port, timeoutMs: settings.connectMs, clock, signal });
      raw.on('error', () => undefined);
      return raw;
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      throw failed('unreachable', `cannot connect to the sidecar at ${address}: ${error.message}`);
    }
  }

  /** Offers no name (SNI) and no session: who the peer must be is checked by its SPIFFE ID alone, and every time. */
  async #handshake(
    raw: Socket,
    request: StreamRequest,
    { context: secureContext, trust }: Current,
  ): Promise<{ readonly tls: TLSSocket; readonly peer: AdmittedPeer }> {
    const { clock, settings, metrics } = this.#deps;
    const started = clock.now();
    const tls = await new Promise<TLSSocket>((resolve, reject) => {
      const socket = tlsConnect({
        socket: raw,
        secureContext,
        rejectUnauthorized: false,
        // Host names mean nothing here; who the peer is, is judged by admit and its SPIFFE ID.
        checkServerIdentity: () => undefined,
        ALPNProtocols: [ALPN_STREAM],
      });
      const settle = (act: () => void) => {
        timer.cancel();
        socket.off('secureConnect', onSecure);
        socket.off('close', onClose);
        act();
      };
      const onSecure = () => settle(() => resolve(socket));
      const onClose = () => settle(() => reject(failed('handshake-failed', problem)));
      let problem = 'the peer closed the connection during the TLS handshake';
      const timer = clock.setTimeout(() => {
        settle(() =>
          reject(failed('handshake-timeout', `no TLS handshake within ${settings.handshakeMs} ms`)),
        );
        resetSocket(raw);
      }, settings.handshakeMs);
      socket.on('error', (error: Error) => (problem = `the TLS handshake failed: ${error.message}`));
      socket.on('secureConnect', onSecure);
      socket.on('close', onClose);
    });
    metrics.handshake('outbound', clock.now() - started);
    return { tls, peer: this.#admit(tls, request, trust) };
  }

  #admit(tls: TLSSocket, { expect }: StreamRequest, trust: HandshakeTrust): AdmittedPeer {
    try {
      const peer = admit(tls, trust, this.#deps.clock.now());
      if (peer.id !== expect) throw new Refusal('wrong-identity', `the peer is ${peer.id} and not ${expect}`);
      if (tls.alpnProtocol !== ALPN_STREAM)
        throw new Refusal('handshake-failed', `the peer does not speak ${ALPN_STREAM}`);
      return peer;
    } catch (error) {
      throw error instanceof Refusal ? failed(error.reason, error.message) : error;
    }
  }

  async #verdict(tls: TLSSocket): Promise<ReceivedVerdict> {
    const { clock, settings } = this.#deps;
    try {
      const verdict = parseVerdict(await readFrame(tls, clock, settings.verdictMs));
      if (verdict) return verdict;
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      if (error.kind === 'timeout')
        throw failed('verdict-timeout', `no verdict within ${settings.verdictMs} ms`);
      if (error.kind === 'ended')
        throw failed('bad-verdict', 'the peer closed the connection instead of a verdict');
    }
    throw failed('bad-verdict', 'the peer answered something that is no verdict');
  }
}

/** @throws OpenError unless the peer said yes */
function requireConsent(verdict: ReceivedVerdict): void {
  if (verdict.ok) return;
  const known = VERDICTS[verdict.code] ?? { reason: 'app-unreachable', retry: true, eject: true };
  throw new OpenError(known.reason, verdict.reason, known);
}

/** Something is wrong with this endpoint: another may do better. */
function failed(reason: RefusalReason, message: string): OpenError {
  return new OpenError(reason, message, { retry: true, eject: true });
}
