import { serviceNameOfPod } from '#core/pod/service-name-of-pod.ts';
import type { NamedService } from '#core/pod/service-name-of-pod.ts';
import type { Pod } from './pod.ts';

/**
 * The service of a pod that is being created, see {@link serviceNameOfPod}.
 *
 * @param now Unix time in milliseconds
 */
export function serviceNameOf({ metadata, spec }: Pod, now: number): NamedService {
  const owner = metadata?.ownerReferences?.find(({ controller }) => controller === true);
  return serviceNameOfPod(
    {
      annotations: metadata?.annotations ?? {},
      labels: metadata?.labels ?? {},
      ...(spec.serviceAccountName ? { serviceAccountName: spec.serviceAccountName } : {}),
      ...(owner ? { owner } : {}),
    },
    now,
  );
}
