import type { MeshConfigStatus } from '#core/model/mesh-config.ts';

import { startAuditFile } from '../audit/open.ts';
import { readCluster, servingNames } from './bootstrap.ts';
import { watchedCertificates } from '../ca/watched.ts';
import { measureAuthority, startWatchedAuthority } from './authority.ts';
import { startCaches } from './caches.ts';
import { electorOf } from './elector.ts';
import type { OperatorDeps, Parts, Started } from './parts.ts';
import { openPorts } from './ports.ts';
import type { OpenPorts } from './ports.ts';
import { EventRecorder } from '../control-loop/events.ts';
import { memberRules } from '../resources/member.ts';
import { OperationsPort } from '../server/operations-port.ts';
import { ServingCertificate } from '../server/serving-certificate.ts';
import { PodNetworks } from '../signing/pod-networks.ts';
import type { Elector } from '../control-loop/sole-leader.ts';
import { AcceptedPaths } from '../webhooks/accepted-paths.ts';

export type { OperatorDeps } from './parts.ts';

export interface RunningOperator {
  /** Where sidecars have their certificates signed. */
  readonly httpsPort: number;
  readonly httpPort: number;
  /** Where the API server calls the webhooks; undefined where it does so without HTTPS, and before it can. */
  readonly webhookPort: () => number | undefined;
  /** Of the bundle endpoint, where it is open. */
  readonly bundlePort?: number;
  /** Where processes outside of pods have certificates signed, where they may join. */
  readonly outsidePort?: number;
  readonly isLeader: () => boolean;
  /** Root certificates, PEM, that vouch for the HTTPS ports. */
  readonly rootsPem: () => string;
  /** Hands the lease over, ends what is under way, closes. Idempotent. */
  stop(): Promise<void>;
}

/** How long requests may still take once the ports are closed. */
const DRAIN_MS = 10_000;
const LINGER_MS = 3_000;

/**
 * Puts the control plane together and starts it. Every replica answers admission and signing; the one with the lease runs the controllers.
 *
 * @param signal aborts the start
 * @throws CaStateError, KubeError when people must act before it can start
 */
export async function startOperator(
  deps: OperatorDeps,
  signal: AbortSignal = new AbortController().signal,
): Promise<RunningOperator> {
  const { config, log } = deps;
  const operations = new OperationsPort({ log, processMetrics: deps.processMetrics ?? true });
  operations.ready.add('start', () => 'waits for the API server');
  const httpPort = await operations.listen(config.httpPort, config.listenHost);
  try {
    return await startServing({ ...deps, operations, httpPort }, signal);
  } catch (error) {
    await operations.close(0);
    throw error;
  }
}

async function startServing(started: Started, signal: AbortSignal): Promise<RunningOperator> {
  const { clock, log, operations, httpPort } = started;
  const { ready } = operations;
  const { parts, certificate } = await gather(started, signal);
  const { authority, caches } = parts;
  const elector = electorOf(parts);
  signal.addEventListener('abort', () => void elector.stop());
  // A root that has ended or is lost signs nothing, not even our own certificate: the leader may have to replace it first.
  if (authority.lost !== undefined || (authority.activeRoot?.notAfter ?? Infinity) <= clock.now())
    elector.start();
  authority.onChange(() => certificate.renew());
  ready.add('start', () => authority.lost ?? 'waits for its serving certificate');
  await certificate.start();
  const ports = await openPorts(parts, certificate, signal);
  elector.start();
  operations.onScrape(() => {
    caches.measure();
    measureAuthority(parts.metrics, authority);
  });
  ready.add('start', () => undefined);
  ready.add('caches', () => caches.fault());
  ready.add('serving certificate', () => certificate.fault());
  ready.add('webhooks', ports.webhooksFault);
  const numbers = portNumbers(ports);
  const { capabilities, settings } = parts;
  log.info(
    { ...numbers, httpPort, kubernetes: capabilities.version, ...settings.scope },
    'the operator serves',
  );
  let stopped: Promise<void> | undefined;
  return {
    ...numbers,
    httpPort,
    webhookPort: () => ports.webhooks?.port,
    isLeader: () => elector.isLeader,
    rootsPem: () => authority.bundlePem,
    stop: () => (stopped ??= stop(parts, { elector, ports, certificate })),
  };
}

/** What ports and controllers are made of: settings, authority, caches, the serving certificate, audit. */
async function gather(
  started: Started,
  signal: AbortSignal,
): Promise<{ readonly parts: Parts; readonly certificate: ServingCertificate }> {
  const { config, api, clock, log, operations } = started;
  const { metrics } = operations;
  const deps = { ...started, metrics };
  const surroundings = await readCluster(deps, signal);
  const watched = await startWatchedAuthority(deps, surroundings, signal);
  const { authority } = watched;
  const caches = startCaches(deps, surroundings, authority);
  const acceptedPaths = new AcceptedPaths({
    mutating: caches.mutatingWebhooks,
    validating: caches.validatingWebhooks,
    clock,
  });
  const certificate = new ServingCertificate({
    ...{ clock, log, metrics, random: Math.random },
    issue: () => authority.issueServing(servingNames(config)),
  });
  signal.addEventListener('abort', () => certificate.stop());
  const parts: Parts = {
    ...deps,
    ...surroundings,
    ...watched,
    caches,
    acceptedPaths,
    podNetworks: new PodNetworks(
      caches.pods,
      memberRules({ config, capabilities: surroundings.capabilities }),
    ),
    certificates: (rotation: MeshConfigStatus['rotation']) =>
      watchedCertificates(authority, certificate.pair, rotation),
    audit: startAuditFile({ config, api, authority, clock, log, metrics }),
    events: new EventRecorder({ ...deps, metrics, podName: config.podName }),
  };
  return { parts, certificate };
}

function portNumbers({ signing, bundle, outside }: OpenPorts) {
  return {
    httpsPort: signing.port,
    ...(bundle ? { bundlePort: bundle.port } : {}),
    ...(outside ? { outsidePort: outside.port } : {}),
  };
}

interface Running {
  readonly elector: Elector;
  readonly ports: OpenPorts;
  readonly certificate: ServingCertificate;
}

/** Says that it goes away, hands the lease over, lets requests end, and lets go of everything. */
async function stop(parts: Parts, { elector, ports, certificate }: Running): Promise<void> {
  const { operations, clock, authority, authorityWatch, caches, acceptedPaths, log, lingerMs } = parts;
  operations.ready.add('process', () => 'this replica is going away');
  await Promise.all([elector.stop(), clock.sleep(lingerMs ?? LINGER_MS)]);
  const { signing, webhooks, bundle, outside } = ports;
  await Promise.all([
    signing.close(DRAIN_MS),
    webhooks?.close(DRAIN_MS),
    bundle?.close(DRAIN_MS),
    outside?.close(DRAIN_MS),
  ]);
  certificate.stop();
  authorityWatch.stop();
  acceptedPaths.stop();
  await caches.stop();
  await parts.events.flush();
  await parts.audit?.close();
  await authority.stop();
  await operations.close(DRAIN_MS);
  log.info({}, 'the operator has ended');
}
