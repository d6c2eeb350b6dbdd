import { ANNOTATIONS } from '#core/constants.ts';
import { parseQuantity } from '#core/quantity.ts';
import type { Pod } from './pod.ts';
import { placedContainers } from './pod.ts';
import type { ResourceBlock } from './resources.ts';

const RESOURCES = ['cpu', 'memory'] as const;

/**
 * What the author of a pod of the class Guaranteed should know when the sidecar takes the class from it: such pods are evicted
 * last, and may have CPUs of their own. Kubernetes gives the class when every container has limits, and requests that equal
 * them (core/v1/helper/qos, GetPodQOS); resources of the pod as a whole decide alone where they are written.
 *
 * @param sidecar what the sidecar gets
 */
export function qualityWarnings(pod: Pod, sidecar: ResourceBlock): readonly string[] {
  if (pod.spec.resources !== undefined && pod.spec.resources !== null) return [];
  if (!placedContainers(pod).every(({ container }) => isGuaranteed(container.resources ?? {}))) return [];
  if (isGuaranteed(sidecar)) return [];
  const wanted = RESOURCES.map((resource) => {
    const amount = sidecar.limits[resource] ?? sidecar.requests[resource] ?? '';
    const [request, limit] =
      resource === 'cpu'
        ? [ANNOTATIONS.cpuRequest, ANNOTATIONS.cpuLimit]
        : [ANNOTATIONS.memoryRequest, ANNOTATIONS.memoryLimit];
    return `${request} and ${limit}: ${JSON.stringify(amount)}`;
  });
  return [
    `the pod's quality of service was Guaranteed and is Burstable with this sidecar; to keep it, let the sidecar's requests equal its limits: ${wanted.join(', ')}`,
  ];
}

type Quantities = Readonly<Record<string, string | number>>;

interface Resources {
  readonly requests?: Quantities | null | undefined;
  readonly limits?: Quantities | null | undefined;
}

/** A request that is left out is the limit. */
function isGuaranteed({ requests, limits }: Resources): boolean {
  return RESOURCES.every((resource) => {
    const limit = amount(limits?.[resource]);
    const request = requests?.[resource];
    return limit > 0 && (request === undefined || amount(request) === limit);
  });
}

function amount(quantity: string | number | undefined): number {
  return parseQuantity(String(quantity ?? '')) ?? 0;
}
