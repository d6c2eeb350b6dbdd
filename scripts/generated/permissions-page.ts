import type { Permission } from '#operator/composition/permissions.ts';
import {
  CLUSTER_PERMISSIONS,
  NAMESPACE_PERMISSIONS,
  OUTSIDE_PERMISSIONS,
  RUN_LOOKUP_PERMISSIONS,
  RUN_PERMISSIONS,
  SIDECAR_CATALOG_PERMISSIONS,
  SIDECAR_POLICY_PERMISSIONS,
} from '#operator/composition/permissions.ts';

/** The sections of docs/reference/permissions.md, in order. */
const SECTIONS: readonly (readonly [string, readonly Permission[]])[] = [
  ['The operator, in the whole cluster', CLUSTER_PERMISSIONS],
  ["The operator, in the mesh's own namespace", NAMESPACE_PERMISSIONS],
  ["The ServiceAccount of a meshed pod, in its own namespace and in the mesh's", SIDECAR_POLICY_PERMISSIONS],
  ['The ServiceAccount of a meshed pod, in the whole cluster', SIDECAR_CATALOG_PERMISSIONS],
  ['The operator, in the whole cluster, only with `outside.enabled`', OUTSIDE_PERMISSIONS],
  [
    'Who may use `mesh run`, in a namespace (ClusterRole `mesh-run`), only with `outside.enabled`',
    RUN_PERMISSIONS,
  ],
  [
    'Who may use `mesh run`, in the whole cluster (ClusterRole `mesh-run-lookup`), only with `outside.enabled`',
    RUN_LOOKUP_PERMISSIONS,
  ],
];

/** The page that says what each account of the mesh may do. The end-to-end suite compares it with what the cluster says. */
export function permissionsPage(): string {
  const sections = SECTIONS.map(([title, permissions]) => `## ${title}\n\n${table(permissions)}`);
  return `# Permissions

What each account of the mesh may do, and why. Generated from \`operator/composition/permissions.ts\` by \`npm run generate\`; the end-to-end
suite compares it with the answers of \`kubectl auth can-i --list\`.

${sections.join('\n\n')}
`;
}

function table(permissions: readonly Permission[]): string {
  const rows = permissions.map(({ apiGroups, resources, resourceNames, verbs, reason }) => {
    const names = resources.flatMap((resource) => apiGroups.map((group) => resourceName(group, resource)));
    const only = resourceNames ? ` (only ${resourceNames.join(', ')})` : '';
    return `| ${names.join(', ')}${only} | ${verbs.join(', ')} | ${reason} |`;
  });
  return ['| resources | verbs | why |', '| --- | --- | --- |', ...rows].join('\n');
}

/** A resource as kubectl names it: `intentions.mesh.dev/status`. */
export function resourceName(group: string, resource: string): string {
  const [base = '', ...sub] = resource.split('/');
  return [group ? `${base}.${group}` : base, ...sub].join('/');
}
