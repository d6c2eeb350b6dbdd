import { meshServiceFaults } from '#core/model/mesh-service-faults.ts';
import type { MeshService, MeshServiceStatus } from '#core/model/mesh-service.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isAlreadyExists, isConflict, isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { MESH_SERVICES } from '#kube/types.ts';
import type { Pod } from '#kube/types.ts';
import type { Requeue } from '#kube/control/work-queue.ts';

import type { Change, ObjectCache } from '../../control-loop/cache.ts';
import { mergeConditions } from '../../control-loop/conditions.ts';
import type { ControllerDuty } from '../../control-loop/controller.ts';
import type { Events } from '../../control-loop/events.ts';
import { same } from '../../control-loop/matches.ts';
import type { MemberRules } from '../../resources/member.ts';
import { isBecauseTerminating } from '../../resources/namespace.ts';
import { podService } from '../../resources/pod.ts';
import type { StatusWriter } from '../../control-loop/status-writer.ts';
import { faultText } from '../fault-text.ts';
import type { Reaches } from '../catalog/reaches.ts';
import { AccountIndex } from './account-index.ts';
import { PROVISIONAL_LABEL, betterChoice, choiceFor, choiceSentence, meshServiceFor } from './create.ts';
import { decideMeshService } from './decide.ts';
import { TakenNames } from './taken-names.ts';

export interface MeshServiceControllerDeps {
  readonly api: KubeApi;
  readonly meshServices: ObjectCache<MeshService>;
  /** Injected pods. */
  readonly pods: ObjectCache<Pod>;
  /** How services are reached, as the catalog's controller finds. */
  readonly reaches: Reaches;
  readonly status: StatusWriter<MeshService['spec'], MeshServiceStatus>;
  readonly events: Events;
  readonly clock: Clock;
  readonly log: Logger;
  readonly scope: IdentityScope;
  readonly meshNamespace: string;
  readonly rules: MemberRules;
}

/** Makes the MeshService of a workload that runs under a name that no MeshService defines, and keeps the status of all. Keys are `namespace/name`. */
export class MeshServiceController implements ControllerDuty {
  readonly name = 'mesh-service';
  readonly #deps: MeshServiceControllerDeps;
  readonly #accounts = new AccountIndex();
  readonly #taken: TakenNames;

  constructor(deps: MeshServiceControllerDeps) {
    this.#deps = deps;
    this.#taken = new TakenNames(deps.events);
  }

  subscribe(add: (key: string) => void): readonly (() => void)[] {
    const { meshServices, pods, reaches } = this.#deps;
    const namesIn = (namespace: string): readonly string[] =>
      meshServices.inNamespace(namespace).map(({ metadata }) => metadata.name);
    for (const service of meshServices.all()) this.#accounts.take(undefined, service);
    return [
      meshServices.subscribe((changes) => {
        for (const { key, before, after } of changes) {
          const [namespace = ''] = key.split('/');
          for (const name of this.#accounts.take(before, after)) add(`${namespace}/${name}`);
          add(key);
        }
      }),
      reaches.onChange((namespace, services) => {
        for (const name of services === 'all' ? namesIn(namespace) : services) add(`${namespace}/${name}`);
      }),
      pods.subscribe((changes) => {
        for (const change of changes) for (const key of servicesOf(change)) add(key);
      }),
    ];
  }

  *keys(): Iterable<string> {
    for (const { metadata } of this.#deps.meshServices.all())
      yield `${metadata.namespace ?? ''}/${metadata.name}`;
    for (const pod of this.#deps.pods.all()) {
      const service = podService(pod);
      if (service !== undefined) yield `${pod.metadata.namespace ?? ''}/${service}`;
    }
  }

  async reconcile(key: string): Promise<Requeue | void> {
    const { meshServices, status } = this.#deps;
    const [namespace = '', name = ''] = key.split('/');
    const service = meshServices.get(key);
    if (service) {
      await this.#chooseAgain(service);
      return this.#keepStatus(service);
    }
    status.forget(key);
    this.#taken.forget(key);
    await this.#create(namespace, name);
    return undefined;
  }

  async #create(namespace: string, name: string): Promise<void> {
    const { api, pods, log, events, meshNamespace, rules } = this.#deps;
    const choice = choiceFor({ namespace, name, pods: pods.inNamespace(namespace), rules });
    if (!choice) return;
    const wanted = meshServiceFor(namespace, name, choice);
    const faults = meshServiceFaults(wanted, { meshNamespace }).map(faultText);
    if (faults.length > 0) {
      log.warn({ namespace, service: name, faults }, 'a pod names a service that cannot be');
      return;
    }
    try {
      const made = await api.create(MESH_SERVICES, wanted);
      log.info({ namespace, service: name, ...choice }, 'made a MeshService for a workload that runs');
      events.emit({
        about: { ...wanted, metadata: made.metadata },
        type: 'Normal',
        reason: 'Created',
        message: choiceSentence(choice),
      });
    } catch (error) {
      if (!isAlreadyExists(error) && !isBecauseTerminating(error)) throw error;
    }
  }

  /** What was made for a workload that ended goes to one that goes on. */
  async #chooseAgain(service: MeshService): Promise<void> {
    const { api, pods, log, events, rules } = this.#deps;
    const { name, namespace = '', resourceVersion } = service.metadata;
    const choice = betterChoice(service, pods.inNamespace(namespace), rules);
    if (!choice) return;
    const patch = {
      // Whatever anybody else wrote meanwhile holds.
      metadata: { ...(resourceVersion ? { resourceVersion } : {}), labels: { [PROVISIONAL_LABEL]: null } },
      spec: { serviceAccounts: [choice.account] },
    };
    try {
      await api.mergePatch(MESH_SERVICES, { name, namespace }, patch);
    } catch (error) {
      if (isConflict(error) || isNotFound(error)) return;
      throw error;
    }
    log.info({ namespace, service: name, ...choice }, 'gave a MeshService to a workload that goes on');
    const about = { apiVersion: 'mesh.dev/v1alpha1', kind: 'MeshService', metadata: service.metadata };
    events.emit({ about, type: 'Normal', reason: 'ServiceAccountChosen', message: choiceSentence(choice) });
  }

  async #keepStatus(service: MeshService): Promise<Requeue | void> {
    const { pods, reaches, status, clock, scope, meshNamespace, rules } = this.#deps;
    const { namespace = '', name, generation } = service.metadata;
    const reach = reaches.get(namespace, name);
    // The catalog's controller has not come to this namespace yet; when it has, it brings this service back here.
    if (!reach) return undefined;
    const current = status.current(service);
    const verdict = decideMeshService({
      service,
      scope,
      faults: meshServiceFaults(service, { meshNamespace }).map(faultText),
      pods: pods.inNamespace(namespace),
      ...{ reach, rules },
      shared: this.#accounts.sharedWith(service),
    });
    this.#taken.report(service, pods.inNamespace(namespace), rules);
    const conditions = mergeConditions(current?.conditions, verdict.conditions, generation, clock.now());
    const patch = {
      ...verdict,
      conditions,
      ...(generation === undefined ? {} : { observedGeneration: generation }),
    };
    const putOff = await status.write(service, patch, (before) =>
      same(withoutCounts(before), withoutCounts(patch)),
    );
    if (putOff === undefined) this.#tell(service, current, conditions);
    return putOff === undefined ? undefined : { requeueAfterMs: putOff };
  }

  #tell(
    service: MeshService,
    before: MeshServiceStatus | undefined,
    conditions: NonNullable<MeshServiceStatus['conditions']>,
  ): void {
    for (const { type, status, reason, message } of conditions) {
      const was = before?.conditions?.find((condition) => condition.type === type)?.status;
      if (!REPORTED.includes(type) || status !== 'False' || was === status) continue;
      const about = { apiVersion: 'mesh.dev/v1alpha1', kind: 'MeshService', metadata: service.metadata };
      this.#deps.events.emit({ about, type: 'Warning', reason, message });
    }
  }
}

function* servicesOf({ before, after }: Change<Pod>): Iterable<string> {
  for (const pod of [before, after]) {
    const service = pod && podService(pod);
    if (service !== undefined) yield `${pod?.metadata.namespace ?? ''}/${service}`;
  }
}
/** Conditions that are an Event when they become false. */
const REPORTED: readonly string[] = ['Accepted', 'IdentityAllowed', 'IdentityExclusive'];

/** A status without what changes with every pod. */
function withoutCounts(status: MeshServiceStatus | undefined): object {
  const { spiffeId, virtualIPs, services, observedGeneration, conditions } = status ?? {};
  return {
    spiffeId,
    virtualIPs,
    services,
    observedGeneration,
    conditions: conditions?.filter(({ type }) => type !== 'Ready'),
  };
}
