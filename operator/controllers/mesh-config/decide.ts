import { createHash } from 'node:crypto';

import { MESH_CONFIG_NAME } from '#core/constants.ts';
import type { MeshConfig, MeshConfigSpec, MeshConfigStatus } from '#core/model/mesh-config.ts';
import { MESH_DEFAULTS } from '#core/model/mesh-settings.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { OwnerReference } from '#core/resource.ts';

import type { Ending } from '../../ca/expiry.ts';
import { isFalse, isTrue } from '../../control-loop/conditions.ts';
import type { ConditionState } from '../../control-loop/conditions.ts';

/** The fields that stand in every identity, and so cannot change once identities exist. */
const SCOPE_FIELDS = ['trustDomain', 'datacenter'] as const;

/**
 * The part of the chart's settings to write into the MeshConfig: all of it, but for a trust domain or datacenter that differs from the
 * one identities were issued under. Pure.
 *
 * @param established trust domain and datacenter in force; undefined before the first identity
 */
export function settingsToApply(
  given: MeshConfigSpec,
  established: IdentityScope | undefined,
): { readonly spec: MeshConfigSpec; readonly refused: readonly string[] } {
  if (!established) return { spec: given, refused: [] };
  const spec = { ...given };
  const refused: string[] = [];
  for (const field of SCOPE_FIELDS) {
    const wanted = given[field];
    if (wanted === undefined || wanted === established[field]) continue;
    spec[field] = established[field];
    refused.push(immutable(field, wanted, established[field]));
  }
  return { spec, refused };
}

/** Where a MeshConfig's own spec departs from the identities that exist. Pure. */
export function scopeFaults(spec: MeshConfigSpec | undefined, established: IdentityScope): readonly string[] {
  return SCOPE_FIELDS.flatMap((field) => {
    const written = spec?.[field] ?? MESH_DEFAULTS[field];
    return written === established[field] ? [] : [immutable(field, written, established[field])];
  });
}

function immutable(field: string, wanted: string, kept: string): string {
  return `${field} cannot change from ${JSON.stringify(kept)} to ${JSON.stringify(wanted)}: identities carry it; the mesh goes on with ${JSON.stringify(kept)}. To change it, remove the mesh and install it again`;
}

/** Says which values of the chart a MeshConfig has taken up, so that they are written when they change and not over what users change. */
export const VALUES_ANNOTATION = 'mesh.dev/chart-values';

/** A fingerprint of the chart's values. Pure. */
export function valuesOf(given: MeshConfigSpec): string {
  const canonical = JSON.stringify(Object.entries(given).sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(canonical).digest('hex').slice(0, 16);
}

/** The MeshConfig as it is applied (server-side apply: these fields and no others). Pure. */
export function meshConfigToApply(
  spec: MeshConfigSpec,
  values: string,
  owner: OwnerReference | undefined,
): MeshConfig {
  return {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: {
      name: MESH_CONFIG_NAME,
      annotations: { [VALUES_ANNOTATION]: values },
      ...(owner ? { ownerReferences: [owner] } : {}),
    },
    spec,
  };
}

/** The condition's type: whether the authority that `spec.ca` asks for has shown that it signs. */
const NEXT_AUTHORITY_READY = 'NextAuthorityReady';

/**
 * The conditions of the MeshConfig. Pure.
 *
 * @param faults what is wrong with its spec, or with what the chart wants in it
 * @param authorityFault why certificates cannot be signed
 * @param rotation that is under way
 */
export function meshConfigConditions(
  faults: readonly string[],
  authorityFault: string | undefined,
  rotation: MeshConfigStatus['rotation'],
): readonly ConditionState[] {
  return [
    faults.length > 0
      ? isFalse('Accepted', 'Invalid', faults.join('; '))
      : isTrue('Accepted', 'Valid', 'in force'),
    authorityFault === undefined
      ? isTrue('AuthorityReady', 'Signs', 'certificates are signed')
      : isFalse('AuthorityReady', 'Broken', authorityFault),
    // Written after the change is stored: admission contacts no authority (docs/decisions/0022-entry-points.md).
    rotation?.phase === 'Preparing'
      ? isFalse(
          NEXT_AUTHORITY_READY,
          'HasNotSigned',
          `${rotation.message}; until the next authority has signed, the one before it goes on signing`,
        )
      : isTrue(NEXT_AUTHORITY_READY, 'HasSigned', 'every authority that was asked for has signed'),
  ];
}

/** The condition's type. */
export const CERTIFICATES_FRESH = 'CertificatesFresh';

/**
 * The conditions about certificates that come near their end, and about the audit file where one is kept. Pure.
 *
 * @param ending with less than 30 % of their life left
 */
export function certificateConditions(
  ending: readonly Ending[],
  audit: { readonly fault: string | undefined } | undefined,
): readonly ConditionState[] {
  const sentences = ending.map(({ sentence }) => sentence).join('; ');
  const reason = ending.some(({ hasEnded }) => hasEnded) ? 'Ended' : 'EndsSoon';
  const fresh =
    ending.length > 0
      ? isFalse(CERTIFICATES_FRESH, reason, sentences)
      : isTrue(
          CERTIFICATES_FRESH,
          'Fresh',
          "root, intermediates and the leading operator's own certificate have 30 % of their life left, or are being replaced",
        );
  if (!audit) return [fresh];
  const kept =
    audit.fault === undefined
      ? isTrue('AuditKept', 'Written', 'the leading operator writes its audit file')
      : isFalse('AuditKept', 'NotWritten', `${audit.fault}; certificates are signed all the same`);
  return [fresh, kept];
}
