import { KubeError } from '#kube/errors.ts';
import type { Namespace } from '#kube/types.ts';

/** Whether a namespace is on its way out: nothing new can be made in it, and all it holds goes with it. */
export function isTerminating(namespace: Namespace | undefined): boolean {
  return namespace?.metadata.deletionTimestamp !== undefined;
}

/** Whether the API server refused to make something because its namespace is on its way out, which our cache may not know yet. */
export function isBecauseTerminating(error: unknown): boolean {
  return (
    error instanceof KubeError &&
    error.status === 403 &&
    error.message.includes('because it is being terminated')
  );
}
