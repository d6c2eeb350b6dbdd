import type { Service } from '#kube/types.ts';

import type { Occurrence } from '../../control-loop/events.ts';
import type { Reach } from './decide.ts';
import type { ReachChange } from './reaches.ts';

/**
 * What the people of a mesh service and of the Kubernetes Service before it should hear when the way between them is not clear any more.
 * Pure.
 *
 * @param service finds a Service of the namespace by its name
 */
export function occurrences(
  namespace: string,
  { service: name, after }: ReachChange,
  service: (name: string) => Service | undefined,
): readonly Occurrence[] {
  const about = unclear(name, after);
  if (!about) return [];
  const meshService = { apiVersion: 'mesh.dev/v1alpha1', kind: 'MeshService', metadata: { name, namespace } };
  const found = about.service === undefined ? undefined : service(about.service);
  const objects = [
    meshService,
    ...(found ? [{ apiVersion: 'v1', kind: 'Service', metadata: found.metadata }] : []),
  ];
  return objects.map((object) => ({
    about: object,
    type: 'Warning' as const,
    reason: about.reason,
    message: about.message,
  }));
}

/** What is wrong with the way to a mesh service, as reason and sentence; undefined when nothing is. */
export function unclear(
  name: string,
  reach: Reach,
): { readonly reason: string; readonly message: string; readonly service?: string } | undefined {
  switch (reach.kind) {
    case 'ambiguous':
      return {
        reason: 'SharedService',
        service: reach.service,
        message: `Kubernetes Service ${reach.service} selects pods of the mesh services ${reach.with.join(', ')}; connections to it are refused. Narrow its selector, name the pods alike (annotation mesh/service), or write the MeshService ${reach.service}`,
      };
    case 'mixed':
      return {
        reason: 'MixedService',
        service: reach.service,
        message: `Kubernetes Service ${reach.service} selects pods of ${name} and ready pods outside of the mesh; it becomes part of the mesh when only pods of the mesh are behind it, or when the MeshService ${reach.service} is written`,
      };
    case 'over-limit':
      return {
        reason: 'NamespaceLimit',
        message: `the namespace has more services than the catalog takes of one namespace; ${name} cannot be reached through the mesh until others are deleted`,
      };
    case 'reachable':
    case 'none':
      return undefined;
  }
}
