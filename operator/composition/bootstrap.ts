import { MESH_CONFIG_NAME, OPERATOR_SERVICE } from '#core/constants.ts';
import { caSettings } from '#core/model/ca-settings.ts';
import { meshConfigSpecSchema } from '#core/model/mesh-config.ts';
import type { MeshConfig, MeshConfigSpec } from '#core/model/mesh-config.ts';
import { meshSettings } from '#core/model/mesh-settings.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { KubeApi } from '#kube/api.ts';
import { readCapabilities } from '#kube/cluster/capabilities.ts';
import type { Capabilities } from '#kube/cluster/capabilities.ts';
import type { Clock } from '#base/clock.ts';
import { isApiAway, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { retryUntil } from '#base/retry-until.ts';
import { MESH_CONFIGS } from '#kube/types.ts';

import { Authority } from '../ca/authority.ts';
import { createProvider } from '../ca/providers.ts';
import { rootSlots, settingsOf } from '../ca/root-slots.ts';
import type { RootSlots } from '../ca/root-slots.ts';
import type { OperatorConfig } from '../config/config.ts';
import { chartOwner } from './owner.ts';
import { Settings } from '../config/settings.ts';

export interface BootstrapDeps {
  readonly config: OperatorConfig;
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What the operator must know before it can do anything. */
export interface ClusterFacts {
  readonly capabilities: Capabilities;
  readonly owner: OwnerReference | undefined;
  readonly settings: Settings;
  /** What the settings were made of. */
  readonly spec: MeshConfigSpec;
}

/**
 * Asks the API server what it can do, who owns what the operator makes, and which settings hold. Waits for an API server that is away.
 *
 * @throws KubeError when the API server refuses; the message says what
 */
export async function readCluster(deps: BootstrapDeps, signal: AbortSignal): Promise<ClusterFacts> {
  const { api, config } = deps;
  const retry = { ...deps, signal, isTransient: isApiAway };
  const { ownerClusterRole } = config;
  const capabilities = await retryUntil(
    () => readCapabilities(api),
    'cannot ask the API server for its version yet',
    retry,
  );
  const owner = ownerClusterRole
    ? await retryUntil(
        () => chartOwner(api, ownerClusterRole),
        'cannot read the ClusterRole of the chart yet',
        retry,
      )
    : undefined;
  const stored = await retryUntil(() => readMeshConfig(api), 'cannot read the MeshConfig yet', retry);
  const spec = startingSpec(stored, deps);
  return { capabilities, owner, spec, settings: new Settings(spec, deps.log) };
}

export interface StartedAuthority {
  readonly authority: Authority;
  /** Where roots are while one replaces another. */
  readonly slots: RootSlots;
}

/**
 * The mesh's certificate authority: ready to sign, or {@link Authority.lost} where workloads trust a root that cannot be used now.
 *
 * @throws CaStateError when its settings are wrong, or nobody trusts a root yet and the first one is broken
 */
export async function startAuthority(
  deps: BootstrapDeps,
  { settings, owner, spec }: ClusterFacts,
  signal: AbortSignal,
): Promise<StartedAuthority> {
  const { api, clock, log, config } = deps;
  const status = async () => (await readMeshConfig(api))?.status;
  const parts = {
    ...{ api, clock, log, owner },
    namespace: config.meshNamespace,
    trustDomain: settings.scope.trustDomain,
    servingNames: servingNames(config),
    newRoot: () => settings.ca,
  };
  const choice = (await status())?.authority ?? caSettings(spec).authority;
  const publishedRoots = async () => (await status())?.roots?.length ?? 0;
  const provider = createProvider(settingsOf(choice), { ...parts, publishedRoots });
  const slots = rootSlots(parts);
  const authority = new Authority({ provider, choice, slots, clock, settings: () => settings.current });
  try {
    await authority.start(signal, await status());
  } catch (error) {
    await authority.stop();
    throw error;
  }
  return { authority, slots };
}

/** The names the operator's Service is reached by. */
export function servingNames({ meshNamespace }: Pick<OperatorConfig, 'meshNamespace'>): readonly string[] {
  const base = `${OPERATOR_SERVICE}.${meshNamespace}`;
  return [OPERATOR_SERVICE, base, `${base}.svc`, `${base}.svc.cluster.local`];
}

async function readMeshConfig(api: KubeApi): Promise<MeshConfig | undefined> {
  try {
    return await api.get(MESH_CONFIGS, { name: MESH_CONFIG_NAME });
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

/** The stored spec holds; the chart's fills what it leaves open. One that cannot be read does not stop the operator. */
function startingSpec(stored: MeshConfig | undefined, { config, log }: BootstrapDeps): MeshConfigSpec {
  if (!stored) return config.meshConfig;
  const spec = { ...config.meshConfig, ...(stored.spec ?? {}) };
  try {
    meshSettings(meshConfigSpecSchema.parse(spec));
    return spec;
  } catch (err) {
    log.error({ err }, 'the MeshConfig cannot be read; the values of the chart hold until it is put right');
    return config.meshConfig;
  }
}
