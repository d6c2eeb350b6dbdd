import type { Clock } from '#base/clock.ts';
import type { ResetReason } from '#core/refusals.ts';

import { StreamReset, codeOf } from '../refusals/reset-reason.ts';
import type { MemoryBudget } from '../memory/memory-budget.ts';
import { SingleStreamTransport } from '../single-stream/single-stream-transport.ts';
import { PeerDialer } from '../transport/peer-dialer.ts';
import type { PeerConnection, PeerDialerDeps } from '../transport/peer-dialer.ts';
import { isPeerRefusal, refusedBy } from '../transport/refused-by.ts';
import { OpenError } from '../transport/transport.ts';
import type { OpenStream, StreamRequest, Transport } from '../transport/transport.ts';
import { ClientTunnel } from './client-tunnel.ts';
import type { TunnelSession } from './session.ts';
import { TunnelPool } from './tunnel-pool.ts';
import type { TunnelStream } from './tunnel-stream.ts';

export interface TunnelTransportDeps extends PeerDialerDeps {
  readonly memory: MemoryBudget;
}

/** Why a peer closes a tunnel that carries nothing: for its age, for what it refused there, to make room for another one. */
const UNUSED: ReadonlySet<ResetReason | undefined> = new Set(['idle', 'denied', 'limit']);
/** How often a stream is opened again because its tunnel was just being closed. */
const MOST_REOPENED = 3;

/** The end of a stream whose peer did not answer in time. */
const TOO_LATE = new StreamReset({ code: codeOf('cancelled'), text: 'no answer in time' });

/** `mesh/1` to peers that speak it, and one connection per stream to those that do not. */
export class TunnelTransport implements Transport {
  readonly #deps: TunnelTransportDeps;
  readonly #dialer: PeerDialer;
  readonly #singleStream: SingleStreamTransport;
  readonly #pools = new Map<string, TunnelPool>();
  readonly #unsubscribe: () => void;

  constructor(deps: TunnelTransportDeps) {
    this.#deps = deps;
    this.#dialer = new PeerDialer(deps);
    this.#singleStream = new SingleStreamTransport(deps);
    this.#unsubscribe = deps.identity.onChange(() => this.#renew());
  }

  /** Tunnels that are open. */
  get tunnels(): number {
    let count = 0;
    for (const pool of this.#pools.values()) count += pool.size;
    return count;
  }

  async open(request: StreamRequest, signal: AbortSignal): Promise<OpenStream> {
    if (!this.#deps.settings.tunnel) return this.#singleStream.open(request, signal);
    for (let again = MOST_REOPENED; ;) {
      const pool = this.#pool(request);
      if (pool.isSingleStream) return this.#singleStream.open(request, signal);
      const known = pool.refusals.answer(request.header.port);
      if (known) throw known;
      const found = pool.ready() ?? (await pool.dial(signal));
      if (!(found instanceof ClientTunnel)) return this.#openAlone(found, request, signal);
      const { session } = found;
      if (session.isClosed || session.isLeaving)
        throw OpenError.elsewhere('draining', 'the sidecar there takes no new streams');
      // Where it takes none, many waited for the same tunnel, and it is full already.
      if (!session.takesStreams) continue;
      const opened = await this.#openIn(found, request, signal);
      if (!(opened instanceof OpenError)) {
        pool.refusals.accepted(request.header.port);
        return opened;
      }
      if (again-- > 0 && wasUnused(session, opened) && !signal.aborted) continue;
      pool.refusals.refused(request.header.port, opened);
      throw opened;
    }
  }

  close(): void {
    this.#unsubscribe();
    for (const pool of [...this.#pools.values()]) pool.close();
  }

  /** One connection carries one stream, and others may have waited for the same. */
  #openAlone(connection: PeerConnection, request: StreamRequest, signal: AbortSignal): Promise<OpenStream> {
    if (connection.taken) return this.#singleStream.open(request, signal);
    connection.taken = true;
    return this.#singleStream.openOn(connection, request, signal);
  }

  #pool({ address, peerPort, expect }: StreamRequest): TunnelPool {
    const key = `${address} ${peerPort ?? ''} ${expect}`;
    const known = this.#pools.get(key);
    if (known) return known;
    const made: TunnelPool = new TunnelPool(
      { address, peerPort, expect },
      { ...this.#deps, dialer: this.#dialer },
      () => {
        if (this.#pools.get(key) === made) this.#pools.delete(key);
      },
    );
    this.#pools.set(key, made);
    return made;
  }

  /** @returns the peer's refusal, where it has refused */
  async #openIn(
    { session, peer }: ClientTunnel,
    { header, early }: StreamRequest,
    signal: AbortSignal,
  ): Promise<OpenStream | OpenError> {
    const stream = session.open(header);
    early?.sendTo(stream);
    try {
      await this.#consent(stream, this.#deps.clock, signal);
      return { leg: stream, peer };
    } catch (error) {
      early?.takeBack();
      if (!(error instanceof StreamReset)) throw error;
      // A reason of a newer version is one of the peer: what is lost without it has a reason of ours.
      if (error.reason === undefined || isPeerRefusal(error.reason))
        return refusedBy(error.reason ?? '', error.message);
      const nothingSaid = !early || (early.bytes === 0 && !early.ended);
      const next = { retry: nothingSaid, eject: true };
      if (error === TOO_LATE)
        throw new OpenError('verdict-timeout', `no verdict within ${this.#deps.settings.verdictMs} ms`, next);
      throw new OpenError('unreachable', `the tunnel was lost: ${error.message}`, next);
    }
  }

  /** Waits for the peer's consent, for so long. */
  async #consent(stream: TunnelStream, clock: Clock, signal: AbortSignal): Promise<void> {
    const abort = () => stream.reset('cancelled', 'the application went away');
    let late = false;
    const timer = clock.setTimeout(() => {
      late = true;
      stream.reset('cancelled', TOO_LATE.message);
    }, this.#deps.settings.verdictMs);
    signal.addEventListener('abort', abort, { once: true });
    try {
      await stream.consent();
    } catch (error) {
      // Ours is the last word: what the peer's application did with what was said, nobody knows.
      throw late ? TOO_LATE : error;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', abort);
    }
  }

  #renew(): void {
    const snapshot = this.#deps.identity.current();
    if (!snapshot) return;
    for (const pool of [...this.#pools.values()]) pool.renew(snapshot.version, snapshot.bundle);
  }
}

/** Whether the peer closed a tunnel that carried nothing while a stream was on its way there: with the peer nothing is wrong. */
function wasUnused({ peerLeaving }: TunnelSession, { reason }: OpenError): boolean {
  return reason === 'draining' && UNUSED.has(peerLeaving?.reason);
}
