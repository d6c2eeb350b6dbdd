import { isRecord } from '#base/record.ts';

/** A probe of one of the pod's containers as Kubernetes wrote it, which the kubelet now sends to us and we pass on. */
export type Probe =
  | {
      readonly kind: 'http';
      readonly scheme: 'http' | 'https';
      readonly port: number;
      /** Path and query, beginning with a slash. */
      readonly path: string;
      readonly headers: readonly (readonly [name: string, value: string])[];
      readonly timeoutMs: number;
    }
  | { readonly kind: 'tcp'; readonly port: number; readonly timeoutMs: number }
  | { readonly kind: 'grpc'; readonly port: number; readonly service: string; readonly timeoutMs: number };

/** What probing found: as the kubelet would have. */
export interface ProbeResult {
  readonly ok: boolean;
  /** A sentence for people, shown by `kubectl describe pod`. */
  readonly message: string;
}

/** Each ends in characters that only readers of the pod know: nobody else may make the application work, or see how it does. */
const KEY =
  /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\/(liveness|readiness|startup|post-start|pre-stop)-[0-9a-f]{32}$/;
const KEY_FORM =
  '<container>/<kind>-<32 hexadecimal digits>; the kinds are liveness, readiness, startup, post-start and pre-stop';
const FORM = `write an object such as {"app/readiness-${'0'.repeat(32)}":{"httpGet":{"path":"/","port":8080}}}`;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/;
const FIELD_VALUE = /^[^\x00-\x08\x0a-\x1f\x7f]{0,8192}$/;
const MAX_PROBES = 256;

/**
 * Reads the map `<container>/<kind>-<secret>` -> probe, as JSON.
 *
 * @throws RangeError with one line per fault.
 */
export function parseProbes(text: string): ReadonlyMap<string, Probe> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new RangeError(`not JSON; ${FORM}`);
  }
  if (!isRecord(value)) throw new RangeError(FORM);
  const probes = new Map<string, Probe>();
  const faults: string[] = [];
  const entries = Object.entries(value);
  if (entries.length > MAX_PROBES) faults.push(`${entries.length} probes: at most ${MAX_PROBES}`);
  for (const [key, raw] of entries.slice(0, MAX_PROBES)) {
    const probe = KEY.test(key) ? parseProbe(raw) : `write ${KEY_FORM}`;
    if (typeof probe === 'string') faults.push(`${JSON.stringify(key.slice(0, 100))}: ${probe}`);
    else probes.set(key, probe);
  }
  if (faults.length > 0) throw new RangeError(faults.join('\n'));
  return probes;
}

function parseProbe(raw: unknown): Probe | string {
  if (!isRecord(raw)) return 'a probe is an object';
  const timeoutSeconds = raw.timeoutSeconds ?? 1;
  if (typeof timeoutSeconds !== 'number' || !(timeoutSeconds > 0 && timeoutSeconds <= 3600))
    return 'timeoutSeconds: a number from 1 to 3600';
  const timeoutMs = timeoutSeconds * 1000;
  const { httpGet, tcpSocket, grpc } = raw;
  if ([httpGet, tcpSocket, grpc].filter((action) => action !== undefined).length !== 1)
    return 'exactly one of httpGet, tcpSocket and grpc';
  if (isRecord(httpGet)) return parseHttp(httpGet, timeoutMs);
  const action = tcpSocket ?? grpc;
  if (!isRecord(action)) return 'an action is an object';
  if (!isPort(action.port)) return 'port: a number from 1 to 65535';
  if (tcpSocket !== undefined) return { kind: 'tcp', port: action.port, timeoutMs };
  const service = action.service ?? '';
  if (typeof service !== 'string' || service.length > 256)
    return 'grpc service: a text of at most 256 characters';
  return { kind: 'grpc', port: action.port, service, timeoutMs };
}

function parseHttp(raw: Record<string, unknown>, timeoutMs: number): Probe | string {
  if (!isPort(raw.port)) return 'port: a number from 1 to 65535';
  const scheme = raw.scheme ?? 'HTTP';
  if (scheme !== 'HTTP' && scheme !== 'HTTPS') return 'scheme: HTTP or HTTPS';
  const path = raw.path === undefined || raw.path === '' ? '/' : raw.path;
  if (typeof path !== 'string' || path.length > 4096) return 'path: a text of at most 4096 characters';
  const headers = parseHeaders(raw.httpHeaders ?? []);
  if (typeof headers === 'string') return headers;
  return {
    kind: 'http',
    scheme: scheme === 'HTTPS' ? 'https' : 'http',
    port: raw.port,
    path: asPath(path),
    headers,
    timeoutMs,
  };
}

function parseHeaders(raw: unknown): [string, string][] | string {
  if (!Array.isArray(raw)) return 'httpHeaders: a list';
  const headers: [string, string][] = [];
  for (const header of raw as unknown[]) {
    if (!isRecord(header) || typeof header.name !== 'string' || typeof header.value !== 'string') {
      return 'httpHeaders: a list of {name, value}';
    }
    if (!TOKEN.test(header.name) || !FIELD_VALUE.test(header.value)) {
      return `httpHeaders: ${JSON.stringify(header.name.slice(0, 80))} cannot be sent`;
    }
    headers.push([header.name, header.value]);
  }
  return headers;
}

/** The path as the kubelet would ask for it: beginning with a slash, unusual characters percent-encoded. */
function asPath(path: string): string {
  const url = new URL(path.startsWith('/') ? `http://localhost${path}` : `http://localhost/${path}`);
  return url.pathname + url.search;
}

function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535;
}

/** Probes as people of the pod may see them: without what makes their paths secret, and without the values of headers. */
export function shownProbes(probes: ReadonlyMap<string, Probe>): object {
  return Object.fromEntries(
    [...probes].map(([key, probe]) => [
      key.replace(/-[0-9a-f]{32}$/, ''),
      probe.kind === 'http' ? { ...probe, headers: probe.headers.map(([name]) => name) } : probe,
    ]),
  );
}
