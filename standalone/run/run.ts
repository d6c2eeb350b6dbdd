import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';

import { MESH_CONFIG_NAME } from '#core/constants.ts';
import type { Upstream } from '#core/upstream.ts';
import type { KubeApi } from '#kube/api.ts';
import { KubeClient } from '#kube/client.ts';
import type { Clock } from '#kube/clock.ts';
import type { ClusterConfig } from '#kube/cluster-config.ts';
import { KubeConnectionError, isNotFound } from '#kube/errors.ts';
import { CONFIG_MAPS, MESH_CONFIGS, MESH_SERVICES } from '#kube/types.ts';

import { OPERATOR_CONFIG_MAP } from '../names.ts';
import { Fault } from './fault.ts';
import { LocalSidecar } from './local-sidecar.ts';
import { logSentence } from './log-sentence.ts';
import { Registration } from './registration.ts';
import type { Instance } from './resources.ts';

export interface RunOptions {
  readonly namespace: string;
  readonly service: string;
  readonly port: number | undefined;
  readonly upstreams: readonly Upstream[];
  readonly meshNamespace: string;
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

const ADDRESS = '127.0.0.1';
const READY_MS = 30_000;
const LOOK_EVERY_MS = 50;
const CHECK_EVERY_MS = 1_000;
const CHECK_PATIENCE_MS = 1_000;

/**
 * Gives this process a place in the mesh: an account, an identity, a sidecar beside it. Resolves when the sidecar serves, so
 * that whatever is started then finds its upstream ports open.
 *
 * @throws Fault, KubeError, KubeConnectionError
 */
export async function joinMesh(options: RunOptions, deps: RunDeps, signal: AbortSignal): Promise<Running> {
  const { clock, say, cluster } = deps;
  const api = new KubeClient({ config: cluster, clock, userAgent: 'mesh-run' });
  const { namespace, service, port } = options;
  const pod = `${service}-${randomBytes(3).toString('hex')}`;
  const instance = { namespace, service, pod, port, address: ADDRESS };
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
    const found = await lookAround(api, options);
    await checkUpstreams(api, options, deps, signal);
    await registration.begin();
    sidecar = await LocalSidecar.start({
      ...found,
      ...{ instance, clock, cluster, upstreams: options.upstreams, meshNamespace: options.meshNamespace },
      podUid: registration.uid,
      token: (audience) => registration.token(audience),
      onLog: (line) => tell(line, say),
    });
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

async function lookAround(api: KubeApi, { meshNamespace }: RunOptions) {
  try {
    const [meshConfig, address] = await Promise.all([
      api.get(MESH_CONFIGS, { name: MESH_CONFIG_NAME }),
      api.get(CONFIG_MAPS, { namespace: meshNamespace, name: OPERATOR_CONFIG_MAP }),
    ]);
    return { meshConfig, operatorUrl: address.data?.url ?? '' };
  } catch (error) {
    if (error instanceof KubeConnectionError)
      throw new Fault(`the API server cannot be reached; is mesh dev up? (${error.message})`);
    if (!isNotFound(error)) throw error;
    throw new Fault(`this API server has no mesh that processes outside of pods can join: ${error.message}`);
  }
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
      if (signal.aborted) throw new Fault('told to end', 130);
      if (clock.now() >= giveUpAt) {
        throw new Fault(
          `there is no service ${namespace}/${name}; start it with: mesh run --namespace ${namespace} --service ${name} --port PORT -- COMMAND`,
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
    if (signal.aborted) throw new Fault('told to end', 130);
    if (clock.now() > giveUpAt) {
      throw new Fault(
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
    const socket = connect({ host: ADDRESS, port, timeout: CHECK_PATIENCE_MS });
    const end = (ready: boolean) => (): void => {
      socket.destroy();
      resolve(ready);
    };
    socket.once('connect', end(true)).once('timeout', end(false)).once('error', end(false));
  });
}

function tell(line: string, say: (sentence: string) => void): void {
  const sentence = logSentence(line);
  if (sentence !== undefined) say(sentence);
}
