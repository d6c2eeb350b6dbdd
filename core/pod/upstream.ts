import { quoted } from '../fault.ts';
import { nameFault } from '../names.ts';
import { PORTS } from '../constants.ts';
import { parsePort } from '../net/port-list.ts';

/**
 * Upstreams as people write them: `service[.namespace]:localPort[:port]`, separated by commas, such as
 * `db:9191, cache.shop:6380, db.shop:9191:5432`. The application dials 127.0.0.1:localPort and reaches the service.
 */
export interface UpstreamSpec {
  readonly service: string;
  /** The namespace of the pod itself when absent. */
  readonly namespace?: string;
  readonly localPort: number;
  /** The port of the destination; its first one when absent. */
  readonly port?: number;
}

const MAX_UPSTREAMS = 64;
/** Below this a process without capabilities may not listen. */
const FIRST_UNPRIVILEGED_PORT = 1024;

/**
 * Reads a list of upstreams. Blank text is an empty list. Never throws.
 *
 * @returns the upstreams that could be read, and a sentence for every fault
 */
export function parseUpstreams(text: string): {
  readonly upstreams: readonly UpstreamSpec[];
  readonly faults: readonly string[];
} {
  if (text.trim() === '') return { upstreams: [], faults: [] };
  const entries = text.split(',').map((entry) => entry.trim());
  if (entries.length > MAX_UPSTREAMS)
    return { upstreams: [], faults: [`more than ${MAX_UPSTREAMS} entries`] };
  const upstreams: UpstreamSpec[] = [];
  const faults: string[] = [];
  for (const entry of entries) {
    const read = parseUpstream(entry);
    if ('faults' in read) {
      faults.push(...read.faults);
      continue;
    }
    const twin = upstreams.find(({ localPort }) => localPort === read.upstream.localPort);
    if (twin)
      faults.push(
        `${quoted(entry)}: local port ${twin.localPort} leads to ${quoted(twin.service)} already; write another local port`,
      );
    upstreams.push(read.upstream);
  }
  return { upstreams, faults };
}

/** The list as {@link parseUpstreams} reads it. */
export function formatUpstreams(upstreams: readonly UpstreamSpec[]): string {
  return upstreams
    .map(
      ({ service, namespace, localPort, port }) =>
        `${service}${namespace === undefined ? '' : `.${namespace}`}:${localPort}${port === undefined ? '' : `:${port}`}`,
    )
    .join(',');
}

/** Why a loopback port cannot lead to an upstream, and what to write instead; undefined when it can. */
export function localPortFault(port: number): string | undefined {
  if (port < FIRST_UNPRIVILEGED_PORT) {
    return `local port ${port} needs a privilege that the sidecar does not have; write one from ${FIRST_UNPRIVILEGED_PORT} to 65535`;
  }
  if (Object.values<number>(PORTS).includes(port)) {
    return `local port ${port} belongs to the sidecar itself; write another one, not ${Object.values<number>(PORTS).join(', ')}`;
  }
  return undefined;
}

function parseUpstream(
  entry: string,
): { readonly upstream: UpstreamSpec } | { readonly faults: readonly string[] } {
  const [target = '', localText = '', portText, ...more] = entry.split(':');
  const [service = '', namespace, ...rest] = target.split('.');
  if (more.length > 0 || rest.length > 0 || localText === '' || target === '') {
    return {
      faults: [
        `${quoted(entry)} is not a valid upstream; write service:localPort, such as "db:9191", "cache.shop:6380" or "db.shop:9191:5432"`,
      ],
    };
  }
  const localPort = parsePort(localText);
  const port = portText === undefined ? undefined : parsePort(portText);
  const faults = [...nameFaults(service, namespace), ...portFaults(localText, portText)];
  if (faults.length > 0 || localPort === undefined) {
    return { faults: faults.map((fault) => `${quoted(entry)}: ${fault}`) };
  }
  return {
    upstream: {
      service,
      localPort,
      ...(namespace === undefined ? {} : { namespace }),
      ...(port === undefined ? {} : { port }),
    },
  };
}

function nameFaults(service: string, namespace: string | undefined): string[] {
  return [
    nameFault('service', service),
    namespace === undefined ? undefined : nameFault('namespace', namespace),
  ].filter((fault) => fault !== undefined);
}

function portFaults(local: string, port: string | undefined): string[] {
  const localPort = parsePort(local);
  return [
    localPort === undefined
      ? `local port ${quoted(local)} is not a valid port; write a number from 1024 to 65535`
      : localPortFault(localPort),
    port !== undefined && parsePort(port) === undefined
      ? `port ${quoted(port)} is not a valid port; write a number from 1 to 65535`
      : undefined,
  ].filter((fault) => fault !== undefined);
}
