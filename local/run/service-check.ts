import { LABELS } from '#core/constants.ts';
import type { Service } from '#kube/types.ts';

import type { Instance } from './resources.ts';

/**
 * Why a process cannot stand behind a Service that is there already; undefined when it can. Its own kind made by `mesh run` takes any port;
 * one with pods of the cluster behind it takes processes whose port is one that it leads to. Pure.
 */
export function serviceFault(
  { metadata, spec }: Service,
  { namespace, service, port }: Instance,
): string | undefined {
  if (port === undefined || metadata.labels?.[LABELS.run] !== undefined) return undefined;
  const name = `the Service ${namespace}/${service}`;
  const elsewhere = `give this process another --service, or delete that one: kubectl delete service ${service} --namespace ${namespace}`;
  if (spec?.type === 'ExternalName' || Object.keys(spec?.selector ?? {}).length === 0)
    return `${name} is there already and leads to no pods (it has no selector); ${elsewhere}`;
  const targets = (spec?.ports ?? []).map(({ port: own, targetPort }) => targetPort ?? own);
  if (targets.includes(port)) return undefined;
  return `${name} is there already and leads to port ${targets.join(', ') || '(none)'}, not to ${port}; let the process listen there, or ${elsewhere}`;
}
