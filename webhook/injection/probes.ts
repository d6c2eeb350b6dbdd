import { createHash } from 'node:crypto';

import { PORTS, SIDECAR_CONTAINER } from '#core/constants.ts';
import type { PathPart } from './json-patch.ts';
import type { HttpGet, PlacedContainer, Probe } from './pod.ts';
import { runsWithThePod } from './pod.ts';
import { portNumber } from './ports.ts';

/**
 * Probes and hooks that the kubelet sends to the pod's own address would meet strict mutual TLS, and a TCP probe would
 * always succeed because the sidecar accepts for everyone. So each is sent to the sidecar's admin port instead, which asks
 * the application as the pod's author wrote it. `exec` and what names a host of its own stay untouched.
 */

export const PROBES = [
  ['livenessProbe', 'liveness'],
  ['readinessProbe', 'readiness'],
  ['startupProbe', 'startup'],
] as const;

export const HOOKS = [
  ['postStart', 'post-start'],
  ['preStop', 'pre-stop'],
] as const;

export const ACTIONS: readonly string[] = ['httpGet', 'tcpSocket', 'grpc'];
/** What the paths of the admin port begin with at which the kubelet asks. */
export const PROBE_PATH = '/probe/';

/** The kubelet waits this long for a probe, in seconds, where nothing is written. */
const DEFAULT_TIMEOUT_SECONDS = 1;
/** How long the sidecar waits for the answer to a hook, in seconds; the kubelet itself sets no limit. */
const HOOK_TIMEOUT_SECONDS = 3600;
const MAX_TIMEOUT_SECONDS = 3600;
const MAX_PATH = 4096;

export interface Rewrites {
  /** What stands in the pod afterwards. */
  readonly changes: readonly { readonly path: readonly PathPart[]; readonly value: unknown }[];
  /** What the sidecar asks instead, by `<container>/<kind>-<secret>`. */
  readonly originals: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
}

/**
 * Rewrites every probe and hook of the containers that run with the pod.
 *
 * The admin port is open to the whole cluster, and a probe is sent with the headers that its author wrote, tells how the application
 * does, and makes it work; a hook even changes something. So each path ends in characters made from `seed`, which only readers of
 * the pod know, the kubelet among them (docs/decisions/0010-hooks.md).
 *
 * @param seed of {@link probeSeed}
 */
export function rewriteProbes(placed: readonly PlacedContainer[], seed: string): Rewrites {
  const changes: { path: PathPart[]; value: unknown }[] = [];
  const originals = new Map<string, unknown>();
  const warnings: string[] = [];
  for (const one of placed.filter(runsWithThePod)) {
    const { container, path } = one;
    for (const [field, kind] of PROBES) {
      const probe = container[field];
      if (!probe) continue;
      const original = actionOf(one, probe);
      if (original === undefined) continue;
      if (typeof original === 'string') {
        warnings.push(`container ${container.name}, ${field}: ${original}`);
        continue;
      }
      const timeoutSeconds = Math.min(probe.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS, MAX_TIMEOUT_SECONDS);
      const key = probeKey(seed, container.name, kind);
      originals.set(key, { ...original, timeoutSeconds });
      changes.push({ path: [...path, field], value: redirected(probe, key, timeoutSeconds + 1) });
    }
    for (const [field, kind] of HOOKS) {
      const hook = container.lifecycle?.[field];
      if (!hook?.httpGet) continue;
      const original = actionOf(one, hook);
      if (original === undefined) continue;
      if (typeof original === 'string') {
        warnings.push(`container ${container.name}, lifecycle.${field}: ${original}`);
        continue;
      }
      const key = probeKey(seed, container.name, kind);
      originals.set(key, { ...original, timeoutSeconds: HOOK_TIMEOUT_SECONDS });
      changes.push({ path: [...path, 'lifecycle', field, 'httpGet'], value: toAdminPort(key) });
    }
  }
  return { changes, originals: Object.fromEntries(originals), warnings };
}

/** What the sidecar must ask; a sentence when the probe can never succeed; undefined when it is none of ours. */
function actionOf(placed: PlacedContainer, probe: Probe): object | string | undefined {
  if (probe.httpGet) return httpAction(placed, probe.httpGet);
  if (probe.tcpSocket) {
    if (namesHost(probe.tcpSocket.host)) return undefined;
    const port = portNumber(placed.container, probe.tcpSocket.port);
    return port === undefined ? unknownPort(probe.tcpSocket.port) : { tcpSocket: { port } };
  }
  if (probe.grpc) {
    const { port, service } = probe.grpc;
    if (portNumber(placed.container, port) === undefined) return unknownPort(port);
    return { grpc: { port, ...(service ? { service } : {}) } };
  }
  return undefined;
}

function httpAction({ container }: PlacedContainer, action: HttpGet): object | string | undefined {
  if (namesHost(action.host)) return undefined;
  const port = portNumber(container, action.port);
  if (port === undefined) return unknownPort(action.port);
  const headers = (action.httpHeaders ?? []).map(({ name, value }) => ({ name, value: value ?? '' }));
  if (!headers.every(canBeSent) || (action.path?.length ?? 0) > MAX_PATH) {
    return 'has a header or a path that cannot be sent in HTTP; it was left as it is and will fail';
  }
  return {
    httpGet: {
      ...(action.path ? { path: action.path } : {}),
      port,
      scheme: action.scheme === 'HTTPS' ? 'HTTPS' : 'HTTP',
      ...(headers.length > 0 ? { httpHeaders: headers } : {}),
    },
  };
}

function canBeSent({ name, value }: { name: string; value: string }): boolean {
  return (
    /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,256}$/.test(name) && /^[^\x00-\x08\x0a-\x1f\x7f]{0,8192}$/.test(value)
  );
}

/** With a host of its own a probe does not go to the pod. */
function namesHost(host: string | null | undefined): boolean {
  return host !== undefined && host !== null && host !== '';
}

function unknownPort(port: string | number): string {
  return `port ${JSON.stringify(port)} is not a port of this container; it was left as it is and will fail`;
}

/** The probe with its timings, asking the sidecar; one second longer than the sidecar waits, so that the sidecar's answer arrives. */
function redirected(probe: Probe, key: string, timeoutSeconds: number): object {
  const timings = Object.fromEntries(Object.entries(probe).filter(([field]) => !ACTIONS.includes(field)));
  return { ...timings, httpGet: toAdminPort(key), timeoutSeconds };
}

function toAdminPort(key: string): object {
  return { path: `${PROBE_PATH}${key}`, port: PORTS.admin, scheme: 'HTTP' };
}

/**
 * What the paths of a pod's probes are made from, and what ends those of the sidecar's own. It stands in the pod, so that one that is
 * looked at again keeps its paths.
 *
 * @param nonce not to be guessed by others
 */
export function probeSeed(nonce: string): string {
  return digest([nonce, SIDECAR_CONTAINER, 'own']);
}

/** What the path of a probe or hook ends with, and what the sidecar knows it by: `<container>/<kind>-<secret>`. */
export function probeKey(seed: string, container: string, kind: string): string {
  return `${container}/${kind}-${digest([seed, container, kind])}`;
}

function digest(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 32);
}
