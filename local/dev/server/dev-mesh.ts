import { KubeClient } from '#kube/client/client.ts';
import type { Clock } from '#base/clock.ts';
import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import type { Logger } from '#base/log.ts';
import { isRecord } from '#base/record.ts';
import { clusterFacts, injectionSettings, webhookMetrics } from '#operator/webhooks/admission.ts';
import type { AdmissionDeps } from '#operator/webhooks/admission.ts';
import { startOperator } from '#operator/composition/composition.ts';
import type { RunningOperator } from '#operator/composition/composition.ts';
import type { OperatorConfig } from '#operator/config/config.ts';
import { MESH_CONFIG_NAME, OPERATOR_SERVICE } from '#core/constants.ts';
import { viewOf } from '#webhook/cluster-view.ts';
import type { ClusterQuestion } from '#webhook/cluster-view.ts';

import { MESH_NAMESPACE } from '../names.ts';
import type { Journal } from '../../apiserver/store/journal.ts';
import { dialled, startEmbeddedApi } from './embedded-api.ts';
import type { EmbeddedApi } from './embedded-api.ts';
import { publishOperator } from './operator-address.ts';
import { meshAdmissions } from './mesh-admission.ts';
import { meshObjects, removeOldBindings } from './roles.ts';

const READY_MS = 30_000;

export interface DevMeshOptions {
  readonly journal: Journal;
  readonly host: string;
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface DevMesh {
  readonly api: EmbeddedApi;
  readonly operator: RunningOperator;
  /** Idempotent. */
  stop(): Promise<void>;
}

/**
 * The control plane without a cluster: API server, operator and webhooks in this process. The operator is the one of the
 * cluster: it talks HTTPS to the API server with the token and the rights of its own account.
 *
 * @throws Error with code EADDRINUSE when the port is taken
 */
export async function startDevMesh(options: DevMeshOptions): Promise<DevMesh> {
  const { journal, host, port, clock, log } = options;
  const objects = meshObjects(MESH_NAMESPACE);
  const api = await startEmbeddedApi({
    journal,
    host,
    port,
    clock,
    log: log.child({ part: 'api' }),
    objects,
  });
  removeOldBindings(api.store);
  const client = new KubeClient({ config: operatorAccess(api), clock, userAgent: 'mesh-operator/dev' });
  try {
    const operator = await startOperator({
      config: operatorConfig(host),
      api: client,
      clock,
      log: log.child({ part: 'operator' }),
      webhooks: (parts) => admitInProcess(parts, api),
      // The file of the store is locked, so no other works on it.
      replicas: 'one',
      processMetrics: false,
      lingerMs: 0,
    });
    await untilTrusted(api, clock);
    await publishOperator(api, MESH_NAMESPACE, `https://${dialled(host)}:${operator.outsidePort ?? 0}`);
    const end = async (): Promise<void> => {
      await operator.stop();
      client.close();
      await api.stop();
    };
    let ended: Promise<void> | undefined;
    return { api, operator, stop: () => (ended ??= end()) };
  } catch (error) {
    client.close();
    await api.stop();
    throw error;
  }
}

/** Nothing can join before the MeshConfig says whom to trust. */
async function untilTrusted({ store }: EmbeddedApi, clock: Clock): Promise<void> {
  const giveUpAt = clock.now() + READY_MS;
  const trusted = (): boolean => {
    const status = store.get('mesh.dev/meshconfigs', MESH_CONFIG_NAME)?.status;
    return isRecord(status) && Array.isArray(status.roots) && status.roots.length > 0;
  };
  while (!trusted()) {
    if (clock.now() > giveUpAt)
      throw new Error(`the operator published no root within ${READY_MS / 1000} s; --verbose shows its log`);
    await clock.sleep(10);
  }
}

function operatorAccess(api: EmbeddedApi): ClusterConfig {
  const { server, caPem, tlsServerName } = api.admin;
  const token = (): Promise<string> => Promise.resolve(api.tokenOf(MESH_NAMESPACE, OPERATOR_SERVICE));
  return { server, caPem, ...(tlsServerName ? { tlsServerName } : {}), token };
}

function operatorConfig(host: string): OperatorConfig {
  return {
    meshNamespace: MESH_NAMESPACE,
    podName: 'mesh-dev',
    sidecarImage: 'mesh.dev/sidecar:dev',
    sidecarImagePullPolicy: 'IfNotPresent',
    meshConfig: {},
    sidecarDefaults: {},
    logLevel: 'info',
    excludedNamespaces: [],
    httpsPort: 0,
    webhookPort: 0,
    httpPort: 0,
    outsidePort: 0,
    listenHost: host,
  };
}

/** The webhooks in the API server's own way of a write: it is in this process, and calls nobody over HTTPS. */
function admitInProcess(parts: AdmissionDeps, api: EmbeddedApi): undefined {
  const { config, clock, log } = parts;
  const reviewers = {
    lookUp: (question: ClusterQuestion) => Promise.resolve(viewOf(clusterFacts(question, parts))),
    injection: () => injectionSettings(parts),
    meshNamespace: config.meshNamespace,
    now: () => clock.now(),
    log,
    metrics: webhookMetrics(parts.metrics),
  };
  for (const one of meshAdmissions(reviewers)) api.admit(one);
}
