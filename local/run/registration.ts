import { ANNOTATIONS } from '#core/constants.ts';
import type { KubeObject } from '#core/resource.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import type { Clock, Timer } from '#base/clock.ts';
import { readCapabilities } from '#kube/cluster/capabilities.ts';
import { endpointSlices } from '#kube/endpoint-slices.ts';
import type { EndpointSlice } from '#kube/endpoint-slices.ts';
import { isAlreadyExists, isNotFound } from '#kube/errors.ts';
import { LEASES, PODS, SERVICES, SERVICE_ACCOUNTS } from '#kube/types.ts';

import { CliError } from '../cli-error.ts';
import { leaseOf, podOf, podStatus, serviceAccountOf, serviceOf, sliceOf, tokensOf } from './resources.ts';
import type { Instance } from './resources.ts';
import { serviceFault } from './service-check.ts';

export interface RegistrationDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly instance: Instance;
  /** Told when the registration cannot be kept. */
  readonly warn: (sentence: string) => void;
}

const MANAGER = 'mesh-run';
const RENEW_EVERY_MS = 5_000;
const TOKEN_SECONDS = 3_600;
/** What the Lease says; the operator goes by its own watch. */
const LEASE_SECONDS = 20;

/** A process outside of pods in the API server: a pod, its place behind a Service, and a sign of life. */
export class Registration {
  readonly #deps: RegistrationDeps;
  #uid = '';
  #sidecarPort: number | undefined;
  #slices: ResourceType<EndpointSlice> | undefined;
  #headless = true;
  #ready = false;
  #timer: Timer | undefined;
  #ended = false;
  /** The registration is gone, and does not come back. */
  #lost = false;

  constructor(deps: RegistrationDeps) {
    this.#deps = deps;
  }

  /** The pod's UID; empty before {@link begin}. */
  get uid(): string {
    return this.#uid;
  }

  /** Makes account, Service and pod. @throws CliError, KubeError */
  async begin(): Promise<void> {
    const { api, clock, instance } = this.#deps;
    await this.#ensure(SERVICE_ACCOUNTS, serviceAccountOf(instance));
    if (instance.port !== undefined) await this.#ensureService();
    const pod = await api.create(PODS, podOf(instance));
    this.#uid = pod.metadata.uid ?? '';
    await this.#writeStatus();
    await api.create(LEASES, leaseOf(instance, this.#uid, LEASE_SECONDS, clock.now()));
    this.#renewLater();
  }

  /** A token of the process's own account, bound to its pod. */
  async token(audience?: string): Promise<string> {
    const { api, instance } = this.#deps;
    const { namespace, service, pod } = instance;
    const spec = {
      ...(audience === undefined ? {} : { audiences: [audience] }),
      expirationSeconds: TOKEN_SECONDS,
      boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod, uid: this.#uid },
    };
    const request = { metadata: { name: service, namespace }, spec };
    const { status } = await api.create(tokensOf(service), request);
    return (status as { token: string }).token;
  }

  /** The process can be found, at its sidecar. */
  async announce(sidecarPort: number): Promise<void> {
    this.#sidecarPort = sidecarPort;
    await this.#writeSlice();
    await this.#writeStatus();
  }

  /** Whether its application takes connections. */
  async setReady(ready: boolean): Promise<void> {
    if (ready === this.#ready || this.#ended || this.#lost) return;
    this.#ready = ready;
    try {
      await this.#writeSlice();
      await this.#writeStatus();
    } catch (error) {
      this.#ready = !ready;
      this.#deps.warn(
        `the API server could not be told that it is ${ready ? '' : 'not '}ready: ${(error as Error).message}`,
      );
    }
  }

  /** Takes it out of the API server. Never rejects. Idempotent. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    this.#timer?.cancel();
    const { api, instance, warn } = this.#deps;
    const { namespace, pod: name } = instance;
    if (this.#uid === '') return;
    await api.delete(PODS, { namespace, name }).catch((error: unknown) => {
      if (!isNotFound(error))
        warn(`the registration ${namespace}/${name} is left behind: ${(error as Error).message}`);
    });
  }

  async #ensureService(): Promise<void> {
    const { api, instance } = this.#deps;
    const { namespace, service: name } = instance;
    this.#slices = endpointSlices(await readCapabilities(api));
    await this.#ensure(SERVICES, serviceOf(instance));
    const service = await api.get(SERVICES, { namespace, name });
    const fault = serviceFault(service, instance);
    if (fault !== undefined) throw new CliError(fault);
    this.#headless = service.spec?.clusterIP === 'None';
  }

  async #ensure(type: ResourceType, object: KubeObject): Promise<void> {
    const { api, instance } = this.#deps;
    try {
      await api.create(type, object);
    } catch (error) {
      if (isNotFound(error))
        throw new CliError(
          `there is no namespace ${instance.namespace}; make it with: kubectl create namespace ${instance.namespace}`,
        );
      if (!isAlreadyExists(error)) throw error;
    }
  }

  async #writeSlice(): Promise<void> {
    const { api, instance } = this.#deps;
    if (this.#sidecarPort === undefined || this.#slices === undefined) return;
    const place = {
      uid: this.#uid,
      sidecarPort: this.#sidecarPort,
      ready: this.#ready,
      headless: this.#headless,
    };
    await api.apply(this.#slices, sliceOf(instance, place), MANAGER);
  }

  async #writeStatus(): Promise<void> {
    const { api, instance, clock } = this.#deps;
    const { namespace, pod: name } = instance;
    const status = podStatus(instance, this.#ready, clock.now());
    const port = this.#sidecarPort;
    const metadata = port === undefined ? {} : { annotations: { [ANNOTATIONS.sidecarPort]: String(port) } };
    await api.mergePatch(PODS, { namespace, name }, { metadata, status }, { subresource: 'status' });
  }

  #renewLater(): void {
    if (this.#ended || this.#lost) return;
    this.#timer = this.#deps.clock.setTimeout(
      () => void this.#renew().finally(() => this.#renewLater()),
      RENEW_EVERY_MS,
    );
  }

  async #renew(): Promise<void> {
    const { api, clock, instance, warn } = this.#deps;
    const { namespace, pod: name } = instance;
    const { spec } = leaseOf(instance, this.#uid, LEASE_SECONDS, clock.now());
    try {
      await api.mergePatch(LEASES, { namespace, name }, { spec: spec as object });
    } catch (error) {
      if (this.#ended) return;
      if (!isNotFound(error))
        return warn(
          `the registration ${namespace}/${name} could not be renewed: ${(error as Error).message}`,
        );
      this.#timer?.cancel();
      this.#lost = true;
      warn(
        `the registration ${namespace}/${name} is gone: it was deleted, or this machine was silent for too long (asleep?); no peer finds this process any more, start mesh run again`,
      );
    }
  }
}
