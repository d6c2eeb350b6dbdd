import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

import { MESH_CONFIG_NAME, OPERATOR_ADDRESS_CONFIG_MAP } from '#core/constants.ts';
import type { MeshConfig } from '#core/model/mesh-config.ts';
import type { UpstreamSpec } from '#core/pod/upstream.ts';
import type { KubeApi } from '#kube/api.ts';
import { KubeClient } from '#kube/client/client.ts';
import type { Clock } from '#base/clock.ts';
import type { ClusterConfig } from '#kube/cluster/cluster-config.ts';
import { KubeConnectionError, KubeError, isNotFound } from '#kube/errors.ts';
import { CONFIG_MAPS, MESH_CONFIGS, MESH_SERVICES } from '#kube/types.ts';

import { CliError } from '../cli-error.ts';
import { LocalSidecar } from './local-sidecar.ts';
import { logSentence } from './log-sentence.ts';
import { operatorWay, ownAddress } from './operator-way.ts';
import type { OperatorWay } from './operator-way.ts';
import { Registration } from './registration.ts';
import type { Instance } from './resources.ts';

export interface RunOptions {
  readonly namespace: string;
  readonly service: string;
  readonly port: number | undefined;
  readonly upstreams: readonly UpstreamSpec[];
  readonly meshNamespace: string;
  /** Where pods reach this machine; as the operator sees it when absent. */
  readonly address?: string | undefined;
  /** Port of the sidecar; any free one when absent. */
  readonly sidecarPort?: number | undefined;
  /** How long to wait for services that are named and not there yet, milliseconds. */
  readonly waitMs: number;
}

export interface RunDeps {
  /** The API server, as the user. */
  readonly cluster: ClusterConfig;
  readonly clock: Clock;
  /** Sentences for the user. */
  readonly say: (sentence: string) => void;
}

/** A process's place in the mesh. */
export interface Running {
  readonly instance: Instance;
  /** Takes it out of the mesh. Idempotent. */
  stop(): Promise<void>;
}

/** Where the application listens. */
const LOOPBACK = '127.0.0.1';
const READY_MS = 30_000;
const LOOK_EVERY_MS = 50;
const CHECK_EVERY_MS = 1_000;
const CHECK_PATIENCE_MS = 1_000;

/**
 * Gives this process a place in the mesh: an account, an identity, a sidecar beside it. Resolves when the sidecar serves, so
 * that whatever is started then finds its upstream ports open.
 *
 * @throws CliError, KubeError, KubeConnectionError
 */
export async function joinMesh(options: RunOptions, deps: RunDeps, signal: AbortSignal): Promise<Running> {
  const { clock, cluster } = deps;
  const api = new KubeClient({ config: cluster, clock, userAgent: 'mesh-run' });
  try {
    const found = await readCluster(api, options);
    const roots = (found.meshConfig.status?.roots ?? []).map(({ pem }) => pem);
    const address = await ownAddress(found.operator, roots, options.address);
    await checkUpstreams(api, options, deps, signal);
    return await join(api, { ...options, ...found, address }, deps, signal);
  } catch (error) {
    api.close();
    throw lackOfRight(error);
  }
}

type Joining = RunOptions & Found & { readonly address: string };

/** Registers the instance and starts its sidecar; leaves nothing behind when that fails. */
async function join(api: KubeClient, joining: Joining, deps: RunDeps, signal: AbortSignal): Promise<Running> {
  const { namespace, service, port, address } = joining;
  const { clock, say } = deps;
  const pod = `${service}-${randomBytes(3).toString('hex')}`;
  const instance = { namespace, service, pod, port, address };
  const registration = new Registration({ api, clock, instance, warn: say });
  let sidecar: LocalSidecar | undefined;
  const checking = new AbortController();
  const end = async (): Promise<void> => {
    checking.abort();
    await registration.end();
    await sidecar?.stop();
    api.close();
  };
  try {
    await registration.begin();
    sidecar = await startSidecar(joining, deps, instance, registration);
    await registration.announce(sidecar.inboundPort);
    await untilServing(sidecar, clock, signal);
    if (port === undefined) await registration.setReady(true);
    else void checkHealth(port, registration, clock, checking.signal);
    let ended: Promise<void> | undefined;
    return { instance, stop: () => (ended ??= end()) };
  } catch (error) {
    await end();
    throw error;
  }
}

async function startSidecar(
  joining: Joining,
  { clock, cluster, say }: RunDeps,
  instance: Instance,
  registration: Registration,
): Promise<LocalSidecar> {
  const { upstreams, meshNamespace, meshConfig, operator, sidecarPort } = joining;
  try {
    return await LocalSidecar.start({
      ...{ instance, clock, cluster, upstreams, meshNamespace, meshConfig, operator, sidecarPort },
      podUid: registration.uid,
      token: (audience) => registration.token(audience),
      onLog: (line) => sayLine(line, say),
    });
  } catch (error) {
    const { code, address, port } = error as NodeJS.ErrnoException & { address?: string; port?: number };
    if (code !== 'EADDRINUSE' && code !== 'EACCES') throw error;
    throw new CliError(
      `port ${port ?? ''} of ${address ?? ''} cannot be had (${code}): it is the port of an upstream or of the sidecar; choose another`,
    );
  }
}

interface Found {
  readonly meshConfig: MeshConfig;
  readonly operator: OperatorWay;
}

async function readCluster(api: KubeApi, { meshNamespace }: RunOptions): Promise<Found> {
  const name = OPERATOR_ADDRESS_CONFIG_MAP;
  const meshConfig = await api.get(MESH_CONFIGS, { name: MESH_CONFIG_NAME }).catch((error: unknown) => {
    if (error instanceof KubeConnectionError)
      throw new CliError(
        `the API server cannot be reached; is mesh dev up, or is --kubeconfig that of another cluster? (${error.message})`,
      );
    if (isNotFound(error)) throw new CliError('there is no mesh in this cluster (no MeshConfig "mesh")');
    throw error;
  });
  const told = await api.get(CONFIG_MAPS, { namespace: meshNamespace, name }).catch((error: unknown) => {
    if (!isNotFound(error)) throw error;
    throw new CliError(
      `this cluster's mesh does not let machines outside join (no ConfigMap ${meshNamespace}/${name}); if the mesh lives in another namespace, say so with --mesh-namespace, else whoever administers it allows it with: helm upgrade mesh charts/mesh --namespace ${meshNamespace} --reuse-values --set outside.enabled=true --set outside.operatorAddress=HOST:PORT`,
    );
  });
  return { meshConfig, operator: operatorWay(told.data?.url ?? '', meshNamespace) };
}

/** What a user can do about a right that the kubeconfig has not. The API server's own words name it. */
function lackOfRight(error: unknown): unknown {
  if (!(error instanceof KubeError)) return error;
  if (error.status === 401)
    return new CliError(
      `the API server does not accept the credentials of the kubeconfig (${error.message})`,
    );
  if (error.status !== 403) return error;
  return new CliError(
    `a right is missing: ${error.message}; whoever administers the cluster gives what mesh run needs with the ClusterRoles mesh-run (in a namespace) and mesh-run-lookup (in the cluster)`,
  );
}

/** Services may start in any order, so those that are missing get some time. */
async function checkUpstreams(
  api: KubeApi,
  options: RunOptions,
  { clock, say }: RunDeps,
  signal: AbortSignal,
): Promise<void> {
  const giveUpAt = clock.now() + options.waitMs;
  let told = false;
  for (const { service: name, namespace = options.namespace } of options.upstreams) {
    for (;;) {
      const found = await api.get(MESH_SERVICES, { namespace, name }).catch((error: unknown) => {
        if (!isNotFound(error)) throw error;
      });
      if (found) {
        if (!found.status?.instances?.ready)
          say(`service ${namespace}/${name} has no ready instance now; connections to it fail until it has`);
        break;
      }
      if (signal.aborted) throw new CliError('told to end', 130);
      if (clock.now() >= giveUpAt) {
        throw new CliError(
          `there is no service ${namespace}/${name} in the mesh; start it, as a pod with the annotation mesh/inject: "true" or with: mesh run --namespace ${namespace} --service ${name} --port PORT -- COMMAND`,
        );
      }
      if (!told) say(`waits for service ${namespace}/${name} ...`);
      told = true;
      await clock.sleep(200, signal);
    }
  }
}

async function untilServing(sidecar: LocalSidecar, clock: Clock, signal: AbortSignal): Promise<void> {
  const giveUpAt = clock.now() + READY_MS;
  while (sidecar.missing().length > 0) {
    if (signal.aborted) throw new CliError('told to end', 130);
    if (clock.now() > giveUpAt) {
      throw new CliError(
        `the sidecar did not get ready within ${READY_MS / 1000} s; it waits for: ${sidecar.missing().join(', ')}`,
      );
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}

/** The instance is ready while its application takes connections. */
async function checkHealth(
  port: number,
  registration: Registration,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  let interval = LOOK_EVERY_MS;
  while (!signal.aborted) {
    const ready = await takesConnections(port);
    if (signal.aborted) return;
    await registration.setReady(ready);
    // Quick at first: everybody waits for a start.
    interval = ready ? CHECK_EVERY_MS : Math.min(interval * 1.2, CHECK_EVERY_MS);
    await clock.sleep(interval, signal);
  }
}

function takesConnections(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: LOOPBACK, port, timeout: CHECK_PATIENCE_MS });
    const end = (ready: boolean) => (): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.once('connect', end(true)).once('timeout', end(false)).once('error', end(false));
  });
}

function sayLine(line: string, say: (sentence: string) => void): void {
  const sentence = logSentence(line);
  if (sentence !== undefined) say(sentence);
}
