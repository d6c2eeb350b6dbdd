import { isRecord } from '#base/record.ts';
import { API_GROUP } from '#core/constants.ts';
import { faultsText } from '#core/fault.ts';
import type { ClusterView } from '../cluster-view.ts';
import type { CheckContext, Finding } from './finding.ts';
import type { UncheckedObject } from './object.ts';
import { checkIntention } from './intention.ts';
import { checkMeshConfig } from './mesh-config.ts';
import { checkMeshService } from './mesh-service.ts';

export interface ValidationContext {
  readonly view: ClusterView;
  readonly meshNamespace: string;
  /** Unix time, milliseconds. */
  readonly now: number;
}

export type Validation =
  | { readonly allowed: true; readonly warnings: readonly string[] }
  /** A text for people with all faults of the object. */
  | { readonly allowed: false; readonly refused: string };

type Check = (object: UncheckedObject, old: UncheckedObject | undefined, context: CheckContext) => Finding;

const CHECKS: Readonly<Record<string, { readonly kind: string; readonly check: Check }>> = {
  intentions: { kind: 'Intention', check: checkIntention },
  meshservices: { kind: 'MeshService', check: checkMeshService },
  meshconfigs: { kind: 'MeshConfig', check: checkMeshConfig },
};

/** Whether objects of this resource are checked here. */
export function isValidated(resource: { readonly group: string; readonly resource: string }): boolean {
  return resource.group === API_GROUP && Object.hasOwn(CHECKS, resource.resource);
}

/**
 * Whether an object of ours may be stored. Pure. A change that leaves the spec alone (labels, finalizers, status) is always
 * allowed, and so is every change of an object that is being deleted: an object that an earlier version allowed must not
 * get stuck.
 *
 * @param resource plural name, `intentions`, `meshservices` or `meshconfigs`
 * @param old the object as it was; undefined when it is created
 */
export function validate(
  resource: string,
  object: UncheckedObject,
  old: UncheckedObject | undefined,
  context: ValidationContext,
): Validation {
  const entry = Object.hasOwn(CHECKS, resource) ? CHECKS[resource] : undefined;
  if (!entry) return { allowed: true, warnings: [] };
  if (object.metadata.deletionTimestamp !== undefined) return { allowed: true, warnings: [] };
  if (old && canonical(old.spec) === canonical(object.spec)) return { allowed: true, warnings: [] };
  const { faults, warnings } = entry.check(object, old, checkContext(object, context));
  if (faults.length === 0) return { allowed: true, warnings };
  return { allowed: false, refused: faultsText(`${entry.kind} ${label(object)} is refused`, faults) };
}

function checkContext({ metadata }: UncheckedObject, { view, ...rest }: ValidationContext): CheckContext {
  const namespace = metadata.namespace ?? '';
  return {
    ...rest,
    trustDomain: view.settings()?.trustDomain,
    intentions: () => view.intentions(namespace),
    meshServices: () => view.meshServices(namespace),
  };
}

function label({ metadata }: UncheckedObject): string {
  return metadata.namespace === undefined ? metadata.name : `${metadata.namespace}/${metadata.name}`;
}

/** Text of a value that does not depend on the order of its fields. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) =>
      isRecord(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    ) ?? ''
  );
}
