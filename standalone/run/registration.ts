import type { KubeObject } from '#core/resource.ts';
import type { KubeApi, ResourceType } from '#kube/api.ts';
import type { Clock, Timer } from '#kube/clock.ts';
import { KubeError, isAlreadyExists, isNotFound } from '#kube/errors.ts';
import { LEASES, NAMESPACES, PODS, SERVICES, SERVICE_ACCOUNTS } from '#kube/types.ts';

import { LEASE_SECONDS } from '../names.ts';
import { Fault } from './fault.ts';
import {
  SLICES,
  leaseOf,
  podOf,
  podStatus,
  serviceAccountOf,
  serviceOf,
  sliceOf,
  tokensOf,
} from './resources.ts';
import type { Instance } from './resources.ts';

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

/** A process outside of pods in the API server: a pod, its place behind a Service, and a sign of life. */
export class Registration {
  readonly #deps: RegistrationDeps;
  #uid = '';
  #sidecarPort: number | undefined;
  #ready = false;
  #timer: Timer | undefined;
  #ended = false;

  constructor(deps: RegistrationDeps) {
    this.#deps = deps;
  }

  /** The pod's UID; empty before {@link begin}. */
  get uid(): string {
    return this.#uid;
  }

  /** Makes account, Service and pod. @throws Fault, KubeError */
  async begin(): Promise<void> {
    const { api, clock, instance } = this.#deps;
    await this.#checkNamespace();
    await this.#ensure(SERVICE_ACCOUNTS, serviceAccountOf(instance));
    if (instance.port !== undefined) await this.#ensure(SERVICES, serviceOf(instance));
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
    const request = { apiVersion: 'authentication.k8s.io/v1', metadata: { name: service, namespace }, spec };
    const { status } = await api.create(tokensOf(service), request);
    return (status as { token: string }).token;
  }

  /** The process can be found, at its sidecar. */
  async announce(sidecarPort: number): Promise<void> {
    this.#sidecarPort = sidecarPort;
    if (this.#deps.instance.port !== undefined) await this.#writeSlice();
    await this.#writeStatus();
  }

  /** Whether its application takes connections. */
  async setReady(ready: boolean): Promise<void> {
    if (ready === this.#ready || this.#ended) return;
    this.#ready = ready;
    try {
      if (this.#sidecarPort !== undefined && this.#deps.instance.port !== undefined) await this.#writeSlice();
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

  async #checkNamespace(): Promise<void> {
    const { api, instance } = this.#deps;
    const { namespace: name } = instance;
    try {
      await api.get(NAMESPACES, { name });
    } catch (error) {
      if (!isNotFound(error)) throw error;
      throw new Fault(`there is no namespace ${name}; make it with: kubectl create namespace ${name}`);
    }
  }

  async #ensure(type: ResourceType, object: KubeObject): Promise<void> {
    try {
      await this.#deps.api.create(type, object);
    } catch (error) {
      if (!isAlreadyExists(error)) throw error;
    }
  }

  async #writeSlice(): Promise<void> {
    const { api, instance } = this.#deps;
    const at = { uid: this.#uid, sidecarPort: this.#sidecarPort ?? 0, ready: this.#ready };
    await api.apply(SLICES, sliceOf(instance, at), MANAGER);
  }

  async #writeStatus(): Promise<void> {
    const { api, instance, clock } = this.#deps;
    const { namespace, pod: name } = instance;
    const status = podStatus(instance, this.#ready, clock.now());
    await api.mergePatch(PODS, { namespace, name }, { status }, { subresource: 'status' });
  }

  #renewLater(): void {
    if (this.#ended) return;
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
      const why =
        error instanceof KubeError && error.status === 404 ? 'somebody deleted it' : (error as Error).message;
      if (!this.#ended) warn(`the registration ${namespace}/${name} could not be renewed: ${why}`);
    }
  }
}
