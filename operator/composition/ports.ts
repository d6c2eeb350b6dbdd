import { MESH_CONFIG_NAME, OPERATOR_SERVICE } from '#core/constants.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { SIGN_PATH } from '#core/wire.ts';
import type { MeshConfigStatus } from '#core/model/mesh-config.ts';

import { memberRules } from '../resources/member.ts';
import { createApp, strangersLog } from '../server/app.ts';
import { BodyBudget } from '../server/body-budget.ts';
import { BUNDLE_PATH, BundleEndpoint, bundleRoute } from '../federation/bundle-endpoint.ts';
import { HttpsListener } from '../server/https-listener.ts';
import { CONNECTIONS, SIGNING_BODIES, listenerMetrics } from '../server/limits.ts';
import { OUTSIDE_LIMITS, outsidePort } from '../signing/outside-port.ts';
import type { ServingCertificate, ServingPair } from '../server/serving-certificate.ts';
import { expectedCallers } from '../signing/expected-callers.ts';
import { signingRouter } from '../signing/router.ts';
import { SigningService } from '../signing/signing-service.ts';
import type { SigningDeps } from '../signing/signing-service.ts';
import type { Parts, Webhooks } from './parts.ts';

/** A port that is open. */
interface OpenPort {
  readonly port: number;
  close(deadlineMs: number): Promise<void>;
}

/** Every port with TLS; which there are depends on the settings. */
export interface OpenPorts {
  readonly signing: OpenPort;
  /** Opens by itself: nothing else waits for it. */
  readonly webhooks?: Webhooks;
  readonly bundle?: OpenPort;
  readonly outside?: OpenPort;
  /** What keeps this replica from getting requests, as a sentence. */
  readonly webhooksFault: () => string | undefined;
}

/** Opens them. Each has limits of its own, so that what happens at one leaves the others as they are. */
export async function openPorts(
  parts: Parts,
  certificate: ServingCertificate,
  signal: AbortSignal,
): Promise<OpenPorts> {
  const { pair } = certificate;
  if (!pair) throw new Error('the operator was stopped before it had a serving certificate');
  const webhooks = parts.webhooks({ ...parts, log: parts.log.child({ part: 'admission' }) });
  const signing = await openSigning(parts, certificate, pair);
  if (webhooks) startWebhooks(parts, webhooks, certificate, pair);
  const bundle = await openBundle(parts, signal);
  const outside = await openOutside(parts, certificate);
  return {
    signing,
    ...(webhooks ? { webhooks } : {}),
    ...(bundle ? { bundle } : {}),
    ...(outside ? { outside } : {}),
    webhooksFault: () => webhooks && (webhooks.fault() ?? parts.acceptedPaths.fault()),
  };
}

/** Where sidecars have their certificates signed. */
async function openSigning(
  parts: Parts,
  certificate: ServingCertificate,
  pair: ServingPair,
): Promise<OpenPort> {
  const { config, log, metrics } = parts;
  const service = signingService(parts, 'signing', {});
  const router = signingRouter(service, {
    budget: new BodyBudget(SIGNING_BODIES),
    refused: (reason) => metrics.bodiesRefused.inc({ server: 'signing', reason }),
  });
  const mounts = [
    bundleRoute(() => publishedStatus(parts)),
    (app: Parameters<ReturnType<typeof bundleRoute>>[0]) => app.use(router),
  ];
  const app = createApp({ log, metrics, server: 'signing', paths: [SIGN_PATH, BUNDLE_PATH], mounts });
  const listener = new HttpsListener(app, pair, {
    limits: CONNECTIONS.signing,
    metrics: listenerMetrics(metrics, 'signing'),
    isKnown: (network) => parts.podNetworks.has(network),
    isBarred: (network) => service.isBarred(network),
  });
  certificate.onChange((renewed) => listener.useCertificate(renewed));
  const port = await listener.listen(config.httpsPort, config.listenHost);
  return { port, close: (deadlineMs) => listener.close(deadlineMs) };
}

/** Where the API server asks about pods and about the mesh's own objects. */
function startWebhooks(
  { acceptedPaths }: Parts,
  webhooks: Webhooks,
  certificate: ServingCertificate,
  pair: ServingPair,
): void {
  acceptedPaths.onChange((paths) => webhooks.usePaths(paths));
  certificate.onChange((renewed) => webhooks.useCertificate(renewed));
  webhooks.start(pair);
}

/** The bundle for others on a port of its own, where the chart asks for it. */
async function openBundle(parts: Parts, signal: AbortSignal): Promise<BundleEndpoint | undefined> {
  const { config, authority } = parts;
  const { bundlePort: port, meshNamespace } = config;
  if (port === undefined) return undefined;
  const who = { namespace: namespaceName(meshNamespace), service: serviceName(OPERATOR_SERVICE) };
  const issue = () => authority.issueIdentity(who);
  const onAuthorityChange = (listener: () => void) => authority.onChange(listener);
  return BundleEndpoint.start(
    { ...parts, port, issue, onAuthorityChange, status: () => publishedStatus(parts) },
    signal,
  );
}

/** The port for processes outside of pods, where they may join. */
async function openOutside(parts: Parts, certificate: ServingCertificate): Promise<OpenPort | undefined> {
  const { config, log, metrics } = parts;
  if (config.outsidePort === undefined) return undefined;
  const signing = signingService(parts, 'outside', { callers: 'outside', limits: OUTSIDE_LIMITS });
  const listener = outsidePort({
    ...{ log, metrics, certificate, signing },
    isKnown: (network) => parts.podNetworks.has(network),
  });
  const port = await listener.listen(config.outsidePort, config.listenHost);
  return { port, close: (deadlineMs) => listener.close(deadlineMs) };
}

function signingService(
  { api, clock, events, metrics, authority, settings, config, log, audit, caches, capabilities }: Parts,
  server: 'signing' | 'outside',
  more: Pick<SigningDeps, 'callers' | 'limits'>,
): SigningService {
  const own = log.child({ part: 'signing' });
  return new SigningService({
    ...{ api, clock, events, metrics, authority, meshNamespace: config.meshNamespace, ...more },
    log: own,
    strangersLog: strangersLog(own, metrics, server),
    settings: () => settings.current,
    isExpected: expectedCallers(caches.pods),
    file: audit,
    address: memberRules({ config, capabilities }).address,
  });
}

function publishedStatus({ caches }: Pick<Parts, 'caches'>): MeshConfigStatus | undefined {
  return caches.meshConfigs.get(MESH_CONFIG_NAME)?.status;
}
