import { LOG_LEVELS } from '#base/log-level.ts';
import { explainDecision } from '#core/policy/policy.ts';
import { parseSpiffeId, serviceSpiffeId } from '#core/spiffe-id.ts';
import type { SidecarConfig } from '../config/config.ts';
import type { Catalog } from '../sources/catalog/catalog.ts';
import type { EndpointPool } from '../sources/catalog/endpoint-pool.ts';
import type { OwnServiceView } from '../sources/catalog/own-service-view.ts';
import type { IdentityManager } from '../sources/identity/identity-manager.ts';
import type { PolicyWatch } from '../sources/policy/policy-watch.ts';
import type { Trust } from '../sources/trust/trust.ts';
import { metricsAnswer } from './health-routes.ts';
import type { Readiness } from './health-routes.ts';
import { json, text } from './http-server.ts';
import type { AdminRequest, AdminResponse, Route } from './http-server.ts';
import type { Family } from './metrics/exposition.ts';
import { shownProbes } from '../config/probe.ts';
import type { LevelLog } from './level-log.ts';

export interface LocalOptions {
  readonly config: SidecarConfig;
  readonly readiness: Readiness;
  readonly trust: Pick<Trust, 'current' | 'faults'>;
  readonly identity: Pick<IdentityManager, 'state'>;
  readonly policy: Pick<PolicyWatch, 'state' | 'decide'>;
  readonly own: OwnServiceView;
  readonly catalog: Pick<Catalog, 'index' | 'hasSynced'>;
  readonly pool: Pick<EndpointPool, 'names'>;
  readonly log: Pick<LevelLog, 'level' | 'setLevel'>;
  readonly connections: () => object;
  /** All metrics, with who the peers are. */
  readonly families: () => Iterable<Family>;
  /** Ends the sidecar after its open connections, for Jobs. */
  readonly quit: () => void;
  readonly now: () => number;
}

/** What reveals or changes something, for the containers of this pod alone. Keys are in no answer. */
export function localRoutes(options: LocalOptions): Route {
  const routes: Readonly<Record<string, Route>> = {
    'GET /': () => text(Object.keys(routes).join('\n')),
    'GET /config': () => json(shownConfig(options)),
    'GET /certificate': () => certificate(options),
    'GET /policy': (request) => policy(options, request),
    'GET /metrics': () => metricsAnswer(options.families()),
    'GET /connections': () => json(options.connections()),
    'GET /catalog': () =>
      json({
        services: options.catalog.index.size,
        read: options.catalog.hasSynced,
        endpointsWatched: options.pool.names,
      }),
    'GET /log-level': () => text(options.log.level),
    'PUT /log-level': (request) => setLevel(options, request),
    'POST /quit': () => {
      options.quit();
      return text('ending after the open connections');
    },
  };
  return (request) => {
    const route = routes[`${request.method} ${request.path}`];
    if (route) return route(request);
    const known = Object.keys(routes).some((name) => name.endsWith(` ${request.path}`));
    return known ? text('another method is served here', 405) : text('not found', 404);
  };
}

function shownConfig({ config, trust, own, readiness, now }: LocalOptions): object {
  const state = trust.current();
  return {
    ...config,
    probeSecret: undefined,
    probes: shownProbes(config.probes),
    containerPorts: Object.fromEntries(config.containerPorts),
    proxyProtocolPorts: [...config.proxyProtocolPorts],
    upstreams: own.upstreams(),
    mesh: state?.settings,
    trustDomains: state?.bundle.trustDomains,
    trustFaults: trust.faults,
    declaredPorts: [...own.declaredPorts()],
    mtls: own.mtls(),
    missing: readiness.missing(),
    time: new Date(now()).toISOString(),
  };
}

function certificate({ identity, trust }: LocalOptions): AdminResponse {
  const { svid, ...state } = identity.state();
  const bundle = trust.current()?.bundle.pem;
  return json({
    ...state,
    failures: Object.fromEntries(state.failures),
    ...(svid
      ? {
          spiffeId: svid.spiffeId,
          serial: svid.serial,
          notBefore: new Date(svid.notBefore).toISOString(),
          notAfter: new Date(svid.notAfter).toISOString(),
          chain: svid.certChainPem,
        }
      : {}),
    bundle,
  });
}

/** `?source=spiffe://...` or `?source=web` or `?source=shop/web` asks what would be decided, and why. */
function policy({ policy: watch, trust, config, now }: LocalOptions, { query }: AdminRequest): AdminResponse {
  const state = watch.state();
  const asked = query.get('source');
  if (asked === null) {
    return json({
      ...state,
      destination: `${config.namespace}/${config.service}`,
      rules: state.rules.map(
        ({ ref, source, destination, action, mode, expiresAt, precedence, override }) => ({
          intention: ref.key,
          generation: ref.generation,
          source: source.kind === 'spiffe' ? source.id : `${source.namespace}/${source.service}`,
          destination: `${destination.namespace}/${destination.service}`,
          action,
          mode,
          precedence,
          ...(override ? { override } : {}),
          ...(expiresAt === undefined ? {} : { expiresAt: new Date(expiresAt).toISOString() }),
        }),
      ),
    });
  }
  const settings = trust.current()?.settings;
  const [service = '', namespace = config.namespace] = asked.split('/').reverse();
  const id =
    asked.includes('://') || !settings
      ? asked
      : serviceSpiffeId(settings, { namespace: namespace as never, service: service as never });
  const source = parseSpiffeId(id)?.id;
  if (!source) return text('source is a SPIFFE ID, a service, or namespace/service', 400);
  const decision = watch.decide(source, now());
  return json({
    source,
    destination: `${config.namespace}/${config.service}`,
    action: decision.action,
    why: explainDecision(decision),
    rule: decision.rule?.ref.key,
    outranked: decision.outranked.map(({ ref, action, precedence }) => ({
      intention: ref.key,
      action,
      precedence,
    })),
    audit: decision.audit,
  });
}

async function setLevel({ log }: LocalOptions, request: AdminRequest): Promise<AdminResponse> {
  const wanted = (await request.body()).trim();
  const level = LOG_LEVELS.find((one) => one === wanted);
  if (!level) return text(`write one of ${LOG_LEVELS.join(', ')}`, 400);
  log.setLevel(level);
  return text(level);
}
