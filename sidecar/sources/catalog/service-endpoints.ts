import type { Clock, Timer } from '#base/clock.ts';
import { objectKey } from '#core/resource.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import { SERVICE_NAME_LABEL } from '#kube/endpoint-slices.ts';
import type { Logger } from '#base/log.ts';
import { Reflector } from '#kube/watch/reflector.ts';

import { ChangeEmitter } from '#base/change-emitter.ts';
import type { Endpoint } from '../../dataplane/interfaces/resolver.ts';
import type { SliceApi } from './slice-api.ts';
import { SLICES, compactSlice } from './slice.ts';
import type { Slice } from './slice.ts';

/** Which port inside the pods is meant: that of a Service's port by name (and its `targetPort`), or a number as it is. */
export type PodPort =
  { readonly name: string; readonly target?: number | string } | { readonly number: number };

export interface ServiceEndpointsOptions {
  readonly api: SliceApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly namespace: string;
  /** Name of the Kubernetes Service. */
  readonly name: string;
  readonly forbiddenCapMs?: number;
  /** How long it is watched on after the last user left, milliseconds. */
  readonly idleMs: number;
  /** Called when it was stopped for want of users. */
  readonly onIdle: () => void;
}

/** What is kept of one Service, whose slices are its own namespace's to write: no more than Kubernetes recommends for one. */
const MAX_SLICES = 500;
const MAX_ADDRESSES = 5_000;
/** A slice may have a thousand addresses. */
const SLICES_PER_PAGE = 50;

/** The pods behind one Kubernetes Service, watched only while somebody uses them. */
export class ServiceEndpoints {
  readonly #options: ServiceEndpointsOptions;
  readonly #reflector: Reflector<EndpointSlice, Slice>;
  readonly #listeners = new ChangeEmitter();
  readonly #cache = new Map<string, readonly Endpoint[]>();
  /** How many addresses are kept of each slice. */
  readonly #addresses = new Map<string, number>();
  #users = 0;
  #idleTimer: Timer | undefined;

  constructor(options: ServiceEndpointsOptions) {
    const { api, clock, log, forbiddenCapMs, namespace, name } = options;
    this.#options = options;
    this.#reflector = new Reflector<EndpointSlice, Slice>({
      api,
      clock,
      log,
      ...(forbiddenCapMs === undefined ? {} : { forbiddenCapMs }),
      type: SLICES,
      selection: { namespace, labelSelector: `${SERVICE_NAME_LABEL}=${name}` },
      pageSize: SLICES_PER_PAGE,
      limits: { total: MAX_SLICES },
      transform: (one) => this.#withinBudget(compactSlice(one), objectKey(one)),
      onChange: (items) => {
        for (const key of this.#addresses.keys()) if (!items.has(key)) this.#addresses.delete(key);
        this.#cache.clear();
        this.#listeners.emit();
      },
    });
  }

  /** Resolves when the endpoints were read once. Never rejects. */
  get synced(): Promise<void> {
    return this.#reflector.synced;
  }

  get users(): number {
    return this.#users;
  }

  acquire(): void {
    this.#users += 1;
    this.#idleTimer?.cancel();
    this.#idleTimer = undefined;
    this.#reflector.start();
  }

  release(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#idleTimer = this.#options.clock.setTimeout(() => {
      void this.stop();
      this.#options.onIdle();
    }, this.#options.idleMs);
  }

  async stop(): Promise<void> {
    this.#idleTimer?.cancel();
    await this.#reflector.stop();
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /**
   * Pods that take connections. When none is ready, those that are leaving and still serve, as kube-proxy does; better an
   * old pod than none.
   *
   * @param ipv6 which family is preferred
   */
  endpoints(port: PodPort, ipv6: boolean): readonly Endpoint[] {
    const key = `${'name' in port ? `n ${port.name} ${port.target ?? ''}` : port.number} ${ipv6}`;
    const cached = this.#cache.get(key);
    if (cached) return cached;
    const slices = [...this.#reflector.items.values()];
    const preferred = slices.filter((slice) => slice.ipv6 === ipv6);
    const usable = preferred.some(({ all }) => all.length > 0)
      ? preferred
      : slices.filter((slice) => slice.ipv6 !== ipv6);
    const ready = collect(usable, port, (slice) => slice.ready);
    const found = ready.length > 0 ? ready : collect(usable, port, (slice) => slice.leaving);
    this.#cache.set(key, found);
    return found;
  }

  #withinBudget(slice: Slice, key: string): Slice {
    let others = 0;
    for (const [one, count] of this.#addresses) if (one !== key) others += count;
    const left = Math.max(0, MAX_ADDRESSES - others);
    const ready = slice.ready.slice(0, left);
    const leaving = slice.leaving.slice(0, left - ready.length);
    const all = slice.all.length <= left ? slice.all : [...ready, ...leaving];
    this.#addresses.set(key, all.length);
    return { ...slice, ready, leaving, all };
  }
}

/**
 * The port that a Service's port leads to. A process outside of pods that stands beside them calls its port by another name than the
 * Service does, so that kube-proxy, which knows no sidecars, sends nothing there; it is known by its number.
 */
function portIn({ ports, peerPort }: Slice, { name, target }: Extract<PodPort, { name: string }>) {
  const named = ports.get(name);
  if (named !== undefined || peerPort === undefined) return named;
  return [...ports.values()].find((number) => number === target);
}

/** One pod may be in two slices for a moment while it moves between them. */
function collect(
  slices: readonly Slice[],
  port: PodPort,
  pods: (slice: Slice) => readonly string[],
): readonly Endpoint[] {
  const found = new Map<string, Endpoint>();
  for (const slice of slices) {
    const number = 'number' in port ? port.number : portIn(slice, port);
    if (number === undefined) continue;
    const { peerPort } = slice;
    for (const address of pods(slice)) {
      const endpoint = { address, port: number, ...(peerPort === undefined ? {} : { peerPort }) };
      found.set(`${address} ${peerPort ?? ''}`, endpoint);
    }
  }
  return [...found.values()];
}
