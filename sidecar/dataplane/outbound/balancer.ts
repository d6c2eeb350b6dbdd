import type { Clock } from '#base/clock.ts';

import type { DataPlaneSettings } from '../interfaces/settings.ts';
import type { DataPlaneMetrics } from '../interfaces/data-plane-metrics.ts';
import type { Endpoint, Target } from '../interfaces/resolver.ts';

/** An endpoint that was chosen for one stream. Exactly one of `failed` and (`succeeded`, later `finished`) follows. */
export interface Choice {
  readonly endpoint: Endpoint;
  /** The stream is open. */
  succeeded(): void;
  /** The stream that was open has ended. */
  finished(): void;
  /** @param eject whether the endpoint is to be left alone for a while */
  failed(eject: boolean): void;
}

/** What is known of an endpoint beyond its address. */
interface Health {
  inFlight: number;
  /** Failures since the last success. */
  failures: number;
  /** Unix time, milliseconds; chosen before then only where nothing else is left. */
  ejectedUntil: number;
  /** After its time out, one stream tries an endpoint before all do. */
  probing: boolean;
}

const MAX_IDLE_ENTRIES = 1_024;

/**
 * Chooses an endpoint per stream: of two at random the one with fewer streams in flight ("power of two choices"), which
 * evens out load without herds. Endpoints that fail are left alone for a time that doubles, then tried by one stream first.
 */
export class Balancer {
  readonly #clock: Clock;
  readonly #metrics: DataPlaneMetrics;
  readonly #settings: DataPlaneSettings;
  readonly #random: () => number;
  readonly #health = new Map<string, Health>();

  /** @param deps `random` gives numbers from 0 to below 1 */
  constructor(deps: {
    readonly clock: Clock;
    readonly metrics: DataPlaneMetrics;
    readonly settings: DataPlaneSettings;
    readonly random?: () => number;
  }) {
    this.#clock = deps.clock;
    this.#metrics = deps.metrics;
    this.#settings = deps.settings;
    this.#random = deps.random ?? Math.random;
  }

  /** Endpoints something is remembered of. */
  get remembered(): number {
    return this.#health.size;
  }

  /**
   * @param tried endpoints that are not to be chosen; the choice is added to it
   * @returns undefined when nothing is left
   */
  choose(target: Target, tried: Set<Endpoint>): Choice | undefined {
    const all = target.endpoints();
    const left =
      tried.size === 0 ? all : all.filter((endpoint) => ![...tried].some((one) => same(one, endpoint)));
    const endpoint = this.#best(target, left);
    if (!endpoint) return undefined;
    tried.add(endpoint);
    return this.#take(target, endpoint);
  }

  #best(target: Target, endpoints: readonly Endpoint[]): Endpoint | undefined {
    const now = this.#clock.now();
    const usable = endpoints.filter((endpoint) => {
      const health = this.#health.get(keyOf(target, endpoint));
      return !health || (health.ejectedUntil <= now && !health.probing);
    });
    // When all are out, trying one is better than refusing: what made them fail may be over.
    const pool = usable.length > 0 ? usable : endpoints;
    const first = pool[Math.floor(this.#random() * pool.length)];
    const rest = pool.filter((endpoint) => endpoint !== first);
    const second = rest[Math.floor(this.#random() * rest.length)];
    if (!first || !second) return first;
    return this.#load(target, second) < this.#load(target, first) ? second : first;
  }

  #load(target: Target, endpoint: Endpoint): number {
    return this.#health.get(keyOf(target, endpoint))?.inFlight ?? 0;
  }

  #take(target: Target, endpoint: Endpoint): Choice {
    const key = keyOf(target, endpoint);
    const health = this.#health.get(key) ?? { inFlight: 0, failures: 0, ejectedUntil: 0, probing: false };
    this.#health.set(key, health);
    health.inFlight += 1;
    const probe = health.failures > 0;
    if (probe) health.probing = true;
    const release = () => {
      health.inFlight -= 1;
      if (health.inFlight === 0 && health.failures === 0) this.#health.delete(key);
    };
    return {
      endpoint,
      succeeded: () => {
        if (health.failures > 0) this.#metrics.endpointRestored();
        Object.assign(health, { failures: 0, ejectedUntil: 0, probing: false });
      },
      finished: release,
      failed: (eject) => {
        if (probe) health.probing = false;
        if (eject) this.#eject(health);
        release();
        this.#forget();
      },
    };
  }

  #eject(health: Health): void {
    const { ejectMs, ejectMaxMs } = this.#settings;
    if (health.failures === 0) this.#metrics.endpointEjected();
    health.ejectedUntil =
      this.#clock.now() + Math.min(ejectMs * 2 ** Math.min(health.failures, 20), ejectMaxMs);
    health.failures += 1;
  }

  /** Failed endpoints are mostly pods that are gone for good: what is remembered of them must not pile up. */
  #forget(): void {
    if (this.#health.size <= MAX_IDLE_ENTRIES) return;
    const now = this.#clock.now();
    for (const [key, health] of this.#health) {
      if (health.inFlight === 0 && health.ejectedUntil <= now) this.#health.delete(key);
    }
  }
}

function same(one: Endpoint, other: Endpoint): boolean {
  return one.address === other.address && one.port === other.port && one.peerPort === other.peerPort;
}

function keyOf(target: Target, { address, port, peerPort }: Endpoint): string {
  return `${target.spiffeId} ${address} ${port} ${peerPort ?? ''}`;
}
