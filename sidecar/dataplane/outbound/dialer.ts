import type { Clock } from '#base/clock.ts';

import type { Balancer, Choice } from './balancer.ts';
import type { EarlyBytes } from '../bytes/early-bytes.ts';
import { ConnectionRefusal } from '../refusals/refusal.ts';
import type { DataPlaneSettings } from '../interfaces/settings.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { Endpoint, Target } from '../interfaces/resolver.ts';
import { OpenError } from '../transport/transport.ts';
import type { OpenStream, Transport } from '../transport/transport.ts';

export interface DialerDeps {
  readonly transport: Transport;
  readonly balancer: Balancer;
  readonly clock: Clock;
  readonly metrics: DataPlaneMetrics;
  readonly settings: DataPlaneSettings;
}

/** A stream to one pod of a service. */
export interface DialedStream extends OpenStream {
  readonly endpoint: Endpoint;
  /** Called once, when the stream has ended. */
  finished(): void;
}

/** How long to wait before all endpoints are tried once more; doubles. */
const ROUND_WAIT_MS = 50;

/**
 * Reaches a service at one of its pods. Until a peer consents nothing reached its application, so whatever fails before is
 * tried elsewhere, within a bounded number of attempts and a bounded time; a denial is final, and so is a loss after which
 * nobody knows what was passed on.
 */
export class Dialer {
  readonly #deps: DialerDeps;

  constructor(deps: DialerDeps) {
    this.#deps = deps;
  }

  /**
   * @param originalDestination where the application wanted to go, for the peer's log
   * @param early what the application says meanwhile
   * @param signal gives up
   * @throws ConnectionRefusal saying why nobody could be reached
   */
  async dial(
    target: Target,
    originalDestination: string | undefined,
    early: EarlyBytes,
    signal: AbortSignal,
  ): Promise<DialedStream> {
    const { clock, metrics, settings } = this.#deps;
    const started = clock.now();
    const overall = new AbortController();
    const giveUp = () => overall.abort();
    signal.addEventListener('abort', giveUp, { once: true });
    const timer = clock.setTimeout(giveUp, settings.dialMs);
    let attempts = 0;
    try {
      const tried = new Set<Endpoint>();
      let problem: OpenError | undefined;
      for (let round = 0; attempts < settings.dialAttempts && !overall.signal.aborted;) {
        const choice = this.#deps.balancer.choose(target, tried);
        if (!choice) {
          if (tried.size === 0) break;
          tried.clear();
          await this.#waitForChange(target, ROUND_WAIT_MS * 2 ** round++, overall.signal);
          continue;
        }
        if (problem) metrics.retried(problem.reason);
        attempts += 1;
        const outcome = await this.#attempt(target, choice, { originalDestination, early }, overall.signal);
        if (!(outcome instanceof OpenError)) {
          metrics.dialed(clock.now() - started, attempts);
          return outcome;
        }
        problem = outcome;
        if (!outcome.retry) break;
      }
      throw refusal(target, problem, attempts, signal.aborted);
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', giveUp);
    }
  }

  async #attempt(
    target: Target,
    choice: Choice,
    { originalDestination, early }: { originalDestination: string | undefined; early: EarlyBytes },
    signal: AbortSignal,
  ): Promise<DialedStream | OpenError> {
    const { address, port, peerPort } = choice.endpoint;
    const header = { port, ...(originalDestination === undefined ? {} : { originalDestination }) };
    try {
      const stream = await this.#deps.transport.open(
        { address, peerPort, expect: target.spiffeId, header, early },
        signal,
      );
      early.sendTo(stream.leg);
      choice.succeeded();
      return { ...stream, endpoint: choice.endpoint, finished: () => choice.finished() };
    } catch (error) {
      if (!(error instanceof OpenError)) {
        choice.failed(true);
        throw error;
      }
      choice.failed(error.eject && !signal.aborted);
      return error;
    }
  }

  /** Every endpoint failed: wait a little, or until the endpoints change. */
  async #waitForChange(target: Target, ms: number, signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    const unsubscribe = target.onChange(wake);
    signal.addEventListener('abort', wake, { once: true });
    await this.#deps.clock.sleep(ms, woken.signal);
    signal.removeEventListener('abort', wake);
    unsubscribe();
  }
}

function refusal(
  target: Target,
  problem: OpenError | undefined,
  attempts: number,
  callerGone: boolean,
): ConnectionRefusal {
  const name = `${target.service.namespace}/${target.service.service}`;
  if (callerGone)
    return new ConnectionRefusal(
      'client-gone',
      `the application closed its connection while ${name} was dialed`,
    );
  if (!problem) return new ConnectionRefusal('no-endpoints', `${name} has no ready pod`);
  if (!problem.retry) return new ConnectionRefusal(problem.reason, problem.message, { attempts });
  return new ConnectionRefusal(
    problem.reason,
    `${name} could not be reached in ${attempts} attempts; the last: ${problem.message}`,
    {
      attempts,
    },
  );
}
