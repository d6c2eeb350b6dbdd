import { OPERATOR_SERVICE } from '#core/constants.ts';
import type { KubeObject } from '#core/resource.ts';
import type { KubeApi, ObjectName, ResourceType } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { DEPLOYMENTS, LEASES, MUTATING_WEBHOOKS, PODS, VALIDATING_WEBHOOKS } from '#kube/types.ts';

import { LEASE_NAME, WEBHOOK_NAME } from '../config/names.ts';

export interface UninstallDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meshNamespace: string;
}

const POLL_MS = 1_000;
const PATIENCE_MS = 60_000;
const OPERATOR_PODS = `app.kubernetes.io/name=${OPERATOR_SERVICE}`;

/**
 * What `helm uninstall` does before anything is removed: stops the operator, since it would register its webhooks again,
 * and removes them, so that no pod waits for an operator that is gone. May be run again at any time.
 *
 * @throws KubeError when the API server refuses something
 */
export async function uninstall(deps: UninstallDeps): Promise<void> {
  const { api, log, meshNamespace } = deps;
  const scaledDown = await unlessGone(() =>
    api.mergePatch(
      DEPLOYMENTS,
      { name: OPERATOR_SERVICE, namespace: meshNamespace },
      { spec: { replicas: 0 } },
    ),
  );
  if (scaledDown) await operatorToEnd(deps);
  for (const type of [MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS] as const) {
    const removed = await removeIfThere(api, type, { name: WEBHOOK_NAME });
    log.info({ kind: type.kind, name: WEBHOOK_NAME }, removed ? 'webhook removed' : 'webhook was not there');
  }
  // Nobody's property: it is made before the operator knows its owner.
  await removeIfThere(api, LEASES, { name: LEASE_NAME, namespace: meshNamespace });
}

/** Waits until the last pod of the operator is gone; not for ever, since a lost node keeps its pods. */
async function operatorToEnd({ api, clock, log, meshNamespace }: UninstallDeps): Promise<void> {
  const end = clock.now() + PATIENCE_MS;
  for (;;) {
    const { items } = await api.list(PODS, { namespace: meshNamespace, labelSelector: OPERATOR_PODS });
    if (items.length === 0) return log.info({}, 'the operator has ended');
    if (clock.now() >= end) {
      return log.warn(
        { pods: items.map(({ metadata }) => metadata.name) },
        'the operator does not end; going on',
      );
    }
    await clock.sleep(POLL_MS);
  }
}

async function removeIfThere<T extends KubeObject>(
  api: KubeApi,
  type: ResourceType<T>,
  name: ObjectName,
): Promise<boolean> {
  return unlessGone(() => api.delete(type, name));
}

/** Whether the object was there. */
async function unlessGone(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action();
    return true;
  } catch (error) {
    if (isNotFound(error)) return false;
    throw error;
  }
}
