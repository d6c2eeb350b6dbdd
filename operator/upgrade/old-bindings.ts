import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import { isNotFound } from '#kube/errors.ts';
import type { Logger } from '#base/log.ts';
import { CLUSTER_ROLE_BINDINGS, ROLE_BINDINGS } from '#kube/types.ts';
import type { ClusterRoleBinding } from '#kube/types.ts';

import { ACCESS_NAME } from '../config/names.ts';

export interface OldBindingsDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  readonly meshNamespace: string;
}

const POLL_MS = 1_000;
/** So long the operator of the new version has for its first term; then what is left over goes all the same. */
const PATIENCE_MS = 90_000;

/**
 * What `helm upgrade` does about bindings of earlier versions, which had the namespace in their names (decision 0030): waits until the one
 * that replaces them has their accounts, so that no sidecar is without access in between, and removes them. May be run again at any time.
 *
 * @param names `mesh-sidecar.<namespace>`; of ClusterRoleBindings, and of RoleBindings in the mesh's namespace
 * @throws KubeError when the API server refuses something
 */
export async function removeOldBindings(
  names: readonly string[],
  { api, clock, log, meshNamespace }: OldBindingsDeps,
): Promise<void> {
  const end = clock.now() + PATIENCE_MS;
  for (const name of names) {
    while (!(await isReplaced(api, name)) && clock.now() < end) await clock.sleep(POLL_MS);
    await unlessGone(() => api.delete(CLUSTER_ROLE_BINDINGS, { name }));
    await unlessGone(() => api.delete(ROLE_BINDINGS, { name, namespace: meshNamespace }));
    log.info({ binding: name }, 'removed a binding of an earlier version');
  }
}

/** Whether the binding that all namespaces share has every account of an old one. */
async function isReplaced(api: KubeApi, name: string): Promise<boolean> {
  const [old, shared] = await Promise.all(
    [name, ACCESS_NAME].map((each) => unlessGone(() => api.get(CLUSTER_ROLE_BINDINGS, { name: each }))),
  );
  const held = new Set(keysOf(shared));
  return keysOf(old).every((key) => held.has(key));
}

function keysOf(binding: ClusterRoleBinding | undefined): readonly string[] {
  return (binding?.subjects ?? []).map(({ namespace = '', name }) => `${namespace}/${name}`);
}

async function unlessGone<T>(action: () => Promise<T>): Promise<T | undefined> {
  try {
    return await action();
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}
