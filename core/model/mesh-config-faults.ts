import { MESH_CONFIG_NAME } from '../constants.ts';
import { parseDuration } from '../duration.ts';
import type { Fault } from '../fault.ts';
import { quoted } from '../fault.ts';
import type { ObjectMeta } from '../resource.ts';
import { readProviderSettings } from './ca-providers.ts';
import { ROOT_TTL_LIMITS } from './ca-settings.ts';
import { federationFaults } from './federation-faults.ts';
import type { MeshConfigSpec } from './mesh-config.ts';
import { LEAF_TTL_LIMITS, meshConfigSpecSchema } from './mesh-config.ts';
import { MESH_DEFAULTS } from './mesh-settings.ts';
import { schemaFaults } from './schema-faults.ts';

export interface RawMeshConfig {
  readonly metadata: ObjectMeta;
  readonly spec?: unknown;
}

/** Of `spec.ca`; they mean nothing where another provider has the root. */
const BUILTIN_FIELDS = ['keyType', 'rootTTL'] as const;
const SHORT_LEAF_MS = 3_600_000;

/**
 * Everything that is wrong with a MeshConfig, each with what to write instead. Nothing in `spec` is trusted. Never throws,
 * and never repeats a bundle: it may hold a key by mistake.
 *
 * @param old the object as it was, when this is a change
 */
export function meshConfigFaults(config: RawMeshConfig, old?: RawMeshConfig): readonly Fault[] {
  const spec = config.spec ?? {};
  const schema = schemaFaults(meshConfigSpecSchema, spec, 'spec');
  const faults = [...nameFaults(config.metadata), ...schema];
  if (schema.length > 0) return faults;
  const checked = spec as MeshConfigSpec;
  return [
    ...faults,
    ...immutableFaults(checked, old),
    ...leafFaults(checked),
    ...rootFaults(checked),
    ...providerFaults(checked),
    ...federationFaults(checked.federation ?? [], checked.trustDomain ?? MESH_DEFAULTS.trustDomain),
  ];
}

/** What is allowed and yet probably not meant. */
export function meshConfigWarnings({
  leafTTL,
  defaultAction,
  federation = [],
}: MeshConfigSpec): readonly string[] {
  const ttl = parseDuration(leafTTL ?? MESH_DEFAULTS.leafTTL) ?? 0;
  return [
    ...(ttl < SHORT_LEAF_MS
      ? [
          `spec.leafTTL ${quoted(leafTTL)} is short: every pod asks for a new certificate that often, and an operator outage longer than that stops traffic`,
        ]
      : []),
    ...(defaultAction === 'allow'
      ? [
          'spec.defaultAction "allow": what no intention is about is open to every service of the mesh',
          ...federation.map(
            ({ trustDomain }) =>
              `spec.federation: with defaultAction "allow" every caller of ${quoted(trustDomain)} is let in where no intention denies it`,
          ),
        ]
      : []),
  ];
}

function nameFaults({ name }: ObjectMeta): Fault[] {
  if (name === MESH_CONFIG_NAME) return [];
  return [
    {
      field: 'metadata.name',
      message: `${quoted(name)}: there is one MeshConfig, named "${MESH_CONFIG_NAME}"; change that one`,
    },
  ];
}

/** Both are part of every identity: with another value every certificate would be void at once. */
function immutableFaults(spec: MeshConfigSpec, old: RawMeshConfig | undefined): Fault[] {
  const before = meshConfigSpecSchema.safeParse(old?.spec ?? {});
  if (old === undefined || !before.success) return [];
  return (['trustDomain', 'datacenter'] as const).flatMap((key) => {
    const was = before.data[key] ?? MESH_DEFAULTS[key];
    const will = spec[key] ?? MESH_DEFAULTS[key];
    if (was === will) return [];
    return [
      {
        field: `spec.${key}`,
        message: `is part of every identity and cannot change from ${quoted(was)} to ${quoted(will)}; write ${quoted(was)}`,
      },
    ];
  });
}

function leafFaults({ leafTTL }: MeshConfigSpec): Fault[] {
  if (leafTTL === undefined) return [];
  const field = 'spec.leafTTL';
  const ttl = parseDuration(leafTTL);
  if (ttl === undefined)
    return [{ field, message: `${quoted(leafTTL)} is not a valid duration; write such as "24h" or "90m"` }];
  const min = parseDuration(LEAF_TTL_LIMITS.min) ?? 0;
  const max = parseDuration(LEAF_TTL_LIMITS.max) ?? Infinity;
  if (ttl >= min && ttl <= max) return [];
  return [
    {
      field,
      message: `${quoted(leafTTL)} is out of bounds; write a duration from ${LEAF_TTL_LIMITS.min} to ${LEAF_TTL_LIMITS.max}`,
    },
  ];
}

function rootFaults({ ca, leafTTL = MESH_DEFAULTS.leafTTL }: MeshConfigSpec): Fault[] {
  if (ca?.rootTTL === undefined) return [];
  const field = 'spec.ca.rootTTL';
  const ttl = parseDuration(ca.rootTTL);
  if (ttl === undefined)
    return [{ field, message: `${quoted(ca.rootTTL)} is not a valid duration; write such as "87600h"` }];
  const { min, max } = ROOT_TTL_LIMITS;
  if (ttl < (parseDuration(min) ?? 0) || ttl > (parseDuration(max) ?? Infinity))
    return [
      {
        field,
        message: `${quoted(ca.rootTTL)} is out of bounds; write a duration from ${min} to ${max}`,
      },
    ];
  // What is left of a root when it is replaced must be enough for the leaves that it signs until then.
  const leaf = parseDuration(leafTTL) ?? 0;
  if (ttl >= leaf * 4) return [];
  return [
    {
      field,
      message: `${quoted(ca.rootTTL)} is less than four times spec.leafTTL ${quoted(leafTTL)}: leaves would end with their root; write a longer one, or a shorter leafTTL`,
    },
  ];
}

function providerFaults({ ca }: MeshConfigSpec): readonly Fault[] {
  const read = readProviderSettings(ca);
  const elsewhere = (ca?.provider ?? 'builtin') !== 'builtin';
  const misplaced = elsewhere ? BUILTIN_FIELDS.filter((name) => ca?.[name] !== undefined) : [];
  return [
    ...(read.ok ? [] : read.faults),
    ...misplaced.map((name) => ({
      field: `spec.ca.${name}`,
      message: `is about the builtin root; remove it, and look after the root where "${ca?.provider}" keeps it`,
    })),
  ];
}
