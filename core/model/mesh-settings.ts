import { parseDuration } from '../duration.ts';
import { quoted } from '../fault.ts';
import { isDnsLabel } from '../names.ts';
import { trustDomain } from '../spiffe-id.ts';
import type { IdentityScope } from '../spiffe-id.ts';
import type { CaProviderName } from './ca-providers.ts';
import type { Action } from './intention.ts';
import type { MeshConfigSpec } from './mesh-config.ts';

/**
 * What a MeshConfig means. Apart from its schema, because every sidecar reads the settings, and the schema library would be
 * the largest part of it.
 */

/** A MeshConfig with every default filled in. */
export interface MeshSettings extends IdentityScope {
  readonly defaultAction: Action;
  readonly leafTtlMs: number;
  readonly provider: CaProviderName;
}

export const MESH_DEFAULTS = {
  trustDomain: 'cluster.local',
  datacenter: 'dc1',
  defaultAction: 'deny',
  leafTTL: '24h',
} as const;

/**
 * Fills in the defaults of a MeshConfig. Whatever the settings are made of is checked here again, so that nobody has to trust
 * who wrote it; fields that a newer version added are passed over.
 *
 * @throws RangeError when one of them cannot be read.
 */
export function meshSettings(spec: MeshConfigSpec | undefined): MeshSettings {
  const text = (field: keyof typeof MESH_DEFAULTS): string => {
    const value: unknown = spec?.[field] ?? MESH_DEFAULTS[field];
    return typeof value === 'string' ? value : '';
  };
  const wrong = (field: keyof typeof MESH_DEFAULTS, hint: string): RangeError =>
    new RangeError(`${field} ${quoted(spec?.[field])}: write ${hint}`);
  const leafTtlMs = parseDuration(text('leafTTL'));
  if (leafTtlMs === undefined) throw wrong('leafTTL', 'a duration such as "24h"');
  const datacenter = text('datacenter');
  if (!isDnsLabel(datacenter)) throw wrong('datacenter', 'a DNS label such as "dc1"');
  const defaultAction = text('defaultAction');
  if (defaultAction !== 'allow' && defaultAction !== 'deny')
    throw wrong('defaultAction', '"allow" or "deny"');
  return {
    trustDomain: trustDomain(text('trustDomain')),
    datacenter,
    defaultAction,
    leafTtlMs,
    provider: spec?.ca?.provider ?? 'builtin',
  };
}
