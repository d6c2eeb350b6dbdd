import { LOG_LEVELS } from '#base/log-level.ts';
import type { LogLevel } from '#base/log-level.ts';

import { ANNOTATIONS, MAX_SIDECAR_CORES, PORTS } from '../constants.ts';
import type { Fault } from '../fault.ts';
import { oneOf, quoted } from '../fault.ts';
import { parseCidrList } from '../net/cidr.ts';
import { parsePortList } from '../net/port-list.ts';
import { MEBIBYTE, parseQuantity } from '../quantity.ts';
import { closest } from '../closest.ts';
import type { UpstreamSpec } from './upstream.ts';
import { parseUpstreams } from './upstream.ts';

/** Below this the sidecar's runtime does not fit, for each core that it uses. */
export const MIN_SIDECAR_MEMORY = 64 * MEBIBYTE;
const MAX_DRAIN_SECONDS = 86_400;
const PREFIX = 'mesh/';
const MAX_UNKNOWN = 16;

/** What the annotations of a pod ask for; what is not written is absent or empty. The service: `service-name-of-pod.ts`. */
export interface PodAnnotations {
  readonly inject?: boolean;
  readonly upstreams: readonly UpstreamSpec[];
  readonly transparent: boolean;
  readonly skipInboundPorts: readonly number[];
  /** Ports of the application that expect a PROXY protocol header, which says who calls. */
  readonly proxyProtocolPorts: readonly number[];
  readonly skipOutboundPorts: readonly number[];
  readonly skipOutboundCidrs: readonly string[];
  readonly logLevel?: LogLevel;
  readonly cpuRequest?: string;
  readonly cpuLimit?: string;
  readonly memoryRequest?: string;
  readonly memoryLimit?: string;
  readonly drainSeconds?: number;
  readonly cores?: number;
}

/**
 * Reads every `mesh/...` annotation of a pod except the service's name. Never throws.
 *
 * @returns what could be read, and all faults at once; `field` of a fault is the annotation's key
 */
export function readPodAnnotations(annotations: Readonly<Record<string, string>>): {
  readonly value: PodAnnotations;
  readonly faults: readonly Fault[];
} {
  const reader = new Reader(annotations);
  const value: PodAnnotations = {
    ...optional('inject', reader.boolean(ANNOTATIONS.inject)),
    upstreams: reader.list(ANNOTATIONS.upstreams, (text) => {
      const { upstreams, faults } = parseUpstreams(text);
      return { items: upstreams, faults };
    }),
    transparent: reader.boolean(ANNOTATIONS.transparent) ?? true,
    skipInboundPorts: reader.list(ANNOTATIONS.skipInboundPorts, portList),
    proxyProtocolPorts: reader.list(ANNOTATIONS.proxyProtocolPorts, portList),
    skipOutboundPorts: reader.list(ANNOTATIONS.skipOutboundPorts, portList),
    skipOutboundCidrs: reader.list(ANNOTATIONS.skipOutboundCidrs, (text) => {
      const { cidrs, faults } = parseCidrList(text);
      return { items: cidrs, faults };
    }),
    ...optional('logLevel', reader.choice(ANNOTATIONS.logLevel, LOG_LEVELS)),
    ...optional('cpuRequest', reader.cpu(ANNOTATIONS.cpuRequest)),
    ...optional('cpuLimit', reader.cpu(ANNOTATIONS.cpuLimit)),
    ...optional('memoryRequest', reader.memory(ANNOTATIONS.memoryRequest, 1)),
    ...optional('memoryLimit', reader.memory(ANNOTATIONS.memoryLimit, MIN_SIDECAR_MEMORY)),
    ...optional('drainSeconds', reader.seconds(ANNOTATIONS.drainSeconds)),
    ...optional('cores', reader.cores(ANNOTATIONS.cores)),
  };
  reader.ordered(ANNOTATIONS.cpuRequest, value.cpuRequest, ANNOTATIONS.cpuLimit, value.cpuLimit);
  reader.ordered(ANNOTATIONS.memoryRequest, value.memoryRequest, ANNOTATIONS.memoryLimit, value.memoryLimit);
  reader.roomy(ANNOTATIONS.memoryLimit, value.memoryLimit, value.cores);
  reader.introduced(value);
  reader.unknownKeys();
  return { value, faults: reader.faults };
}

function portList(text: string): { items: readonly number[]; faults: readonly string[] } {
  const { ports, faults } = parsePortList(text);
  return { items: ports, faults };
}

function optional<K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } {
  return (value === undefined ? {} : { [key]: value }) as { readonly [P in K]?: T };
}

/** Reads annotations one by one and gathers what is wrong with them. */
class Reader {
  readonly faults: Fault[] = [];
  readonly #annotations: Readonly<Record<string, string>>;

  constructor(annotations: Readonly<Record<string, string>>) {
    this.#annotations = annotations;
  }

  boolean(key: string): boolean | undefined {
    const text = this.#text(key);
    if (text === undefined || text === 'true' || text === 'false')
      return text === undefined ? undefined : text === 'true';
    return this.#fault(key, `${quoted(text)} is neither; write "true" or "false"`);
  }

  choice<T extends string>(key: string, values: readonly T[]): T | undefined {
    const text = this.#text(key);
    if (text === undefined) return undefined;
    return (
      values.find((value) => value === text) ??
      this.#fault(key, `${quoted(text)} is unknown; write ${oneOf(values)}`)
    );
  }

  list<T>(
    key: string,
    parse: (text: string) => { items: readonly T[]; faults: readonly string[] },
  ): readonly T[] {
    const { items, faults } = parse(this.#annotations[key] ?? '');
    for (const fault of faults) this.#fault(key, fault);
    return items;
  }

  seconds(key: string): number | undefined {
    const text = this.#text(key);
    if (text === undefined) return undefined;
    if (/^(0|[1-9][0-9]{0,5})$/.test(text) && Number(text) <= MAX_DRAIN_SECONDS) return Number(text);
    return this.#fault(
      key,
      `${quoted(text)} is not a valid number of seconds; write a whole number from 0 to ${MAX_DRAIN_SECONDS}, such as "25"`,
    );
  }

  cores(key: string): number | undefined {
    const text = this.#text(key);
    if (text === undefined) return undefined;
    if (/^[1-9][0-9]?$/.test(text) && Number(text) <= MAX_SIDECAR_CORES) return Number(text);
    return this.#fault(
      key,
      `${quoted(text)} is not a valid number of cores; write a whole number from 1 to ${MAX_SIDECAR_CORES}, such as "2"`,
    );
  }

  cpu(key: string): string | undefined {
    const text = this.#text(key);
    if (text === undefined) return undefined;
    const cores = parseQuantity(text);
    if (cores !== undefined && cores >= 0.001) return text;
    return this.#fault(
      key,
      `${quoted(text)} is not a valid amount of CPU; write thousandths of a core such as "100m", or cores such as "0.5"`,
    );
  }

  memory(key: string, least: number): string | undefined {
    const text = this.#text(key);
    if (text === undefined) return undefined;
    const bytes = parseQuantity(text);
    if (bytes === undefined)
      return this.#fault(key, `${quoted(text)} is not a valid amount of memory; write such as "128Mi"`);
    if (text.endsWith('m')) {
      return this.#fault(
        key,
        `${quoted(text)} means thousandths of a byte; write "${text.slice(0, -1)}Mi" for mebibytes`,
      );
    }
    if (bytes < least) {
      return this.#fault(
        key,
        `${quoted(text)} is too little for the sidecar; write at least "${Math.max(1, Math.round(least / MEBIBYTE))}Mi"`,
      );
    }
    return text;
  }

  /** A request above its limit is refused by Kubernetes with a message that does not name the annotation. */
  ordered(lowKey: string, low: string | undefined, highKey: string, high: string | undefined): void {
    if (low === undefined || high === undefined) return;
    if ((parseQuantity(low) ?? 0) > (parseQuantity(high) ?? 0)) {
      this.#fault(lowKey, `${quoted(low)} is more than ${highKey} ${quoted(high)}; write at most that`);
    }
  }

  /** Each core has a process of its own, which needs its own memory. */
  roomy(key: string, limit: string | undefined, cores = 1): void {
    const least = MIN_SIDECAR_MEMORY * cores;
    if (limit === undefined || cores === 1 || (parseQuantity(limit) ?? 0) >= least) return;
    this.#fault(
      key,
      `${quoted(limit)} is too little for a sidecar on ${cores} cores (${ANNOTATIONS.cores}); write at least "${least / MEBIBYTE}Mi"`,
    );
  }

  /** Where the sidecar does not stand before the application, a caller could write the header itself. */
  introduced({ proxyProtocolPorts, skipInboundPorts }: PodAnnotations): void {
    const key = ANNOTATIONS.proxyProtocolPorts;
    const own: readonly number[] = Object.values(PORTS);
    for (const port of proxyProtocolPorts) {
      if (own.includes(port)) {
        this.#fault(key, `${port} belongs to the sidecar itself; write ports of the application`);
      } else if (skipInboundPorts.includes(port)) {
        this.#fault(
          key,
          `${port} is in ${ANNOTATIONS.skipInboundPorts} too: the sidecar leaves it alone, so that every caller could write the header itself; remove it from one of the two`,
        );
      }
    }
  }

  unknownKeys(): void {
    const known: readonly string[] = Object.values(ANNOTATIONS);
    const unknown = Object.keys(this.#annotations).filter(
      (key) => key.startsWith(PREFIX) && !known.includes(key),
    );
    // Looking for what was meant takes time, and no author mistypes more.
    for (const key of unknown.sort().slice(0, MAX_UNKNOWN)) {
      const meant = closest(key, known);
      this.#fault(
        key,
        `unknown annotation; ${meant === undefined ? `known are ${known.join(', ')}` : `did you mean ${meant}?`}`,
      );
    }
  }

  #text(key: string): string | undefined {
    return Object.hasOwn(this.#annotations, key) ? this.#annotations[key] : undefined;
  }

  #fault(key: string, message: string): undefined {
    this.faults.push({ field: key, message });
    return undefined;
  }
}
