import { MESH_CONFIG_NAME } from '#core/constants.ts';
import { meshConfigFaults } from '#core/model/mesh-config-faults.ts';
import type { MeshConfig, MeshConfigSpec, MeshConfigStatus } from '#core/model/mesh-config.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { MESH_CONFIGS } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { AuditFile } from '../../audit/audit-file.ts';
import type { AuthorityWatch } from '../../ca/authority-watch.ts';
import type { Authority } from '../../ca/authority.ts';
import { endings } from '../../ca/expiry.ts';
import type { Ending, WatchedCertificate } from '../../ca/expiry.ts';
import type { ObjectCache } from '../../control-loop/cache.ts';
import { mergeConditions } from '../../control-loop/conditions.ts';
import { FIELD_MANAGER } from '../../config/names.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { Events } from '../../control-loop/events.ts';
import type { StatusWriter } from '../../control-loop/status-writer.ts';
import { faultText } from '../fault-text.ts';
import {
  CERTIFICATES_FRESH,
  VALUES_ANNOTATION,
  certificateConditions,
  meshConfigConditions,
  meshConfigToApply,
  scopeFaults,
  settingsToApply,
  valuesOf,
} from './decide.ts';

export interface MeshConfigControllerDeps {
  readonly api: KubeApi;
  readonly meshConfigs: ObjectCache<MeshConfig>;
  readonly status: StatusWriter<MeshConfig['spec'], MeshConfigStatus>;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  /** What the chart's values say. */
  readonly given: MeshConfigSpec;
  /** Trust domain and datacenter in force. */
  readonly scope: IdentityScope;
  readonly authority: Pick<Authority, 'roots' | 'choice'>;
  readonly authorityWatch: Pick<AuthorityWatch, 'fault' | 'onChange'>;
  /** What may come near its end. */
  readonly certificates: (rotation: MeshConfigStatus['rotation']) => readonly WatchedCertificate[];
  /** This replica's audit file, where one is kept. */
  readonly audit: Pick<AuditFile, 'fault'> | undefined;
  readonly owner: OwnerReference | undefined;
}

/** Certificates come near their end without any object changing. */
const LOOK_EVERY_MS = 60_000;

/**
 * Brings the chart's values into the MeshConfig whenever they change (what users change afterwards stays), makes it again when it
 * is deleted, holds trust domain and datacenter to what identities carry, publishes the roots, and says what comes near
 * its end.
 */
export class MeshConfigController implements ControllerDuty {
  readonly name = 'mesh-config';
  readonly #deps: MeshConfigControllerDeps;
  #told = false;

  constructor(deps: MeshConfigControllerDeps) {
    this.#deps = deps;
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const look = (): void => add(MESH_CONFIG_NAME);
    return [this.#deps.meshConfigs.subscribe(look), this.#deps.authorityWatch.onChange(look)];
  }

  keys(): Iterable<string> {
    return [MESH_CONFIG_NAME];
  }

  async reconcile(): Promise<Requeue> {
    const { meshConfigs, status, clock, authority, authorityWatch, scope } = this.#deps;
    const cached = meshConfigs.get(MESH_CONFIG_NAME);
    const { spec, refused } = this.#wanted();
    const departs = scopeFaults(cached?.spec, scope);
    if (cached && departs.length > 0) this.#refuse(cached, departs);
    const config = await this.#settle(cached, spec, departs.length > 0);
    const { generation } = config.metadata;
    const current = status.current(config);
    const faults = [...meshConfigFaults(config).map(faultText), ...refused];
    const ending = endings(this.#deps.certificates(current?.rotation), clock.now());
    this.#warn(config, current, ending);
    const conditions = mergeConditions(
      current?.conditions,
      [
        ...meshConfigConditions(faults, authorityWatch.fault, current?.rotation),
        ...certificateConditions(ending, this.#deps.audit),
      ],
      generation,
      clock.now(),
    );
    await status.write(config, {
      // Later changes are the rotation's.
      ...((current?.roots?.length ?? 0) > 0 ? {} : { roots: authority.roots() }),
      ...(current?.authority ? {} : { authority: authority.choice }),
      conditions,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    });
    return { requeueAfterMs: LOOK_EVERY_MS };
  }

  /** Once for each certificate and threshold, by whichever operator leads: what was told stands in the condition. */
  #warn(config: MeshConfig, current: MeshConfigStatus | undefined, ending: readonly Ending[]): void {
    const { log, events } = this.#deps;
    const before = current?.conditions?.find(({ type }) => type === CERTIFICATES_FRESH)?.message ?? '';
    const about = { apiVersion: 'mesh.dev/v1alpha1', kind: 'MeshConfig', metadata: config.metadata };
    for (const { hasEnded, sentence } of ending.filter((one) => !before.includes(one.sentence))) {
      log[hasEnded ? 'error' : 'warn']({ sentence }, 'a certificate comes near its end');
      const reason = hasEnded ? 'CertificateEnded' : 'CertificateEndsSoon';
      events.emit({ about, type: 'Warning', reason, message: sentence });
    }
  }

  /** Trust domain and datacenter are written out even where the chart leaves them to their defaults: they are a decision for good. */
  #wanted(): ReturnType<typeof settingsToApply> {
    const { given, scope, log } = this.#deps;
    const { trustDomain, datacenter } = scope;
    const wanted = settingsToApply({ trustDomain, datacenter, ...given }, scope);
    if (!this.#told)
      for (const fault of wanted.refused) log.error({ fault }, 'a value of the chart is refused');
    this.#told = true;
    return wanted;
  }

  /** The MeshConfig with the chart's values in it, or with its scope put back. */
  async #settle(cached: MeshConfig | undefined, spec: MeshConfigSpec, departs: boolean): Promise<MeshConfig> {
    const { api, given, owner, scope, log } = this.#deps;
    const values = valuesOf(given);
    if (!cached || cached.metadata.annotations?.[VALUES_ANNOTATION] !== values) {
      const applied = await api.apply(MESH_CONFIGS, meshConfigToApply(spec, values, owner), FIELD_MANAGER);
      log.info({ fields: Object.keys(spec) }, 'the values of the chart are in the MeshConfig');
      return applied;
    }
    if (!departs) return cached;
    const { trustDomain, datacenter } = scope;
    return api.mergePatch(MESH_CONFIGS, { name: MESH_CONFIG_NAME }, { spec: { trustDomain, datacenter } });
  }

  #refuse(config: MeshConfig, faults: readonly string[]): void {
    const { log, events } = this.#deps;
    const about = { apiVersion: 'mesh.dev/v1alpha1', kind: 'MeshConfig', metadata: config.metadata };
    for (const fault of faults) {
      log.error({ fault }, 'a change of the MeshConfig is refused and was taken back');
      events.emit({ about, type: 'Warning', reason: 'ChangeRefused', message: fault });
    }
  }
}
