import type { MeshConfig } from '#core/model/mesh-config.ts';
import { meshSettings } from '#core/model/mesh-settings.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import { trustBundleOf } from '#pki/trust-bundle.ts';
import type { TrustBundle } from '#pki/trust-bundle.ts';

/** What MeshConfig says, as far as it could be read. Never changes: a change is a new state. */
export interface TrustState {
  readonly settings: MeshSettings;
  /** Whom to trust; never empty. */
  readonly bundle: TrustBundle;
  /** The roots of our own trust domain that sign new leaves; empty when none is marked. */
  readonly active: TrustBundle;
}

/** A state, and what of the MeshConfig could not be read. */
export interface TrustReading {
  /** Absent while there is nothing to trust: no object, unreadable settings, or no root published yet. */
  readonly state?: TrustState;
  readonly faults: readonly string[];
}

/** Reads a MeshConfig. One broken entry takes nothing else away. Never throws. */
export function readTrust(config: MeshConfig | undefined): TrustReading {
  if (!config) return { faults: ['there is no MeshConfig "mesh": the operator makes it when it starts'] };
  let settings: MeshSettings;
  let bundle: TrustBundle;
  let faults: readonly string[];
  try {
    settings = meshSettings(config.spec);
    ({ bundle, faults } = trustBundleOf(config));
  } catch (error) {
    return { faults: [`MeshConfig "mesh" cannot be read: ${(error as Error).message}`] };
  }
  if (bundle.rootsOf(settings.trustDomain).length === 0) {
    return { faults: [...faults, 'MeshConfig "mesh" has no root certificates in its status yet'] };
  }
  const activeRoots = (config.status?.roots ?? []).filter((root) => root.active);
  const active = trustBundleOf({
    ...config,
    spec: { ...config.spec, federation: [] },
    status: { roots: activeRoots },
  });
  return { state: { settings, bundle, active: active.bundle }, faults };
}

/** Whether two states mean the same. */
export function sameTrust(a: TrustState, b: TrustState): boolean {
  return a.bundle.equals(b.bundle) && a.active.equals(b.active) && sameSettings(a.settings, b.settings);
}

function sameSettings(a: MeshSettings, b: MeshSettings): boolean {
  return (
    a.trustDomain === b.trustDomain &&
    a.datacenter === b.datacenter &&
    a.defaultAction === b.defaultAction &&
    a.leafTtlMs === b.leafTtlMs &&
    a.provider === b.provider
  );
}
