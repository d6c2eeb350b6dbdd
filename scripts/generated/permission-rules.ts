import { stringify } from 'yaml';

/** One thing an account may do, as `operator/composition/permissions.ts` lists it. */
export interface PermissionLike {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly reason: string;
}

/** The `rules` of a Role or ClusterRole as YAML, the reason for each as a comment above it. */
export function permissionRules(permissions: readonly PermissionLike[]): string {
  return permissions
    .map(
      ({ reason, ...rule }) =>
        `# ${reason}\n${stringify([rule], { lineWidth: 110, flowCollectionPadding: false })}`,
    )
    .join('');
}
