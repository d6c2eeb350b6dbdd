import { parseDuration } from '../duration.ts';
import { quoted } from '../fault.ts';
import type { CaProviderName } from './ca-providers.ts';

/** What a MeshConfig says about the certificate authority. Only the operator reads it. */

/** The kinds of key that the builtin authority can have. */
export const CA_KEY_TYPES = ['ec-p256', 'ec-p384', 'rsa-2048', 'rsa-4096'] as const;
export type CaKeyType = (typeof CA_KEY_TYPES)[number];

/**
 * Ways to replace the root: with both trusted meanwhile; at once, cutting off what the old one signed; not at all, but with
 * everything checked; and back.
 */
export const ROTATION_MODES = ['graceful', 'forced', 'rehearse', 'abort'] as const;
export type RotationMode = (typeof ROTATION_MODES)[number];

export const CA_DEFAULTS = {
  provider: 'builtin',
  keyType: 'ec-p256',
  rootTTL: '87600h',
  mode: 'graceful',
} as const;
export const ROOT_TTL_LIMITS = { min: '2m', max: '175200h' } as const;

/** What somebody wants done with the root. */
export interface RotationRequest {
  /** The asker's own word for it; each is done once. */
  readonly id: string;
  readonly mode: RotationMode;
}

/** Which authority: its provider, and how that is reached. No credential is ever among it. */
export interface AuthorityChoice {
  readonly provider: CaProviderName;
  readonly config?: Readonly<Record<string, string>>;
}

/** Whether both mean the same authority, reached in the same way. */
export function sameAuthority(one: AuthorityChoice, other: AuthorityChoice): boolean {
  return authorityKey(one) === authorityKey(other);
}

/** The same text for the same authority. */
export function authorityKey({ provider, config = {} }: AuthorityChoice): string {
  const entries = Object.entries(config).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([provider, ...entries]);
}

export interface CaSettings {
  /** Which CA is to sign. */
  readonly authority: AuthorityChoice;
  readonly keyType: CaKeyType;
  /** Life of a new root. */
  readonly rootTtlMs: number;
  readonly request: RotationRequest | undefined;
}

/** What a MeshConfig says of it, `spec.ca`. */
export interface CaSpec {
  readonly provider?: CaProviderName | undefined;
  readonly config?: Readonly<Record<string, string>> | undefined;
  readonly keyType?: CaKeyType | undefined;
  readonly rootTTL?: string | undefined;
  readonly rotation?: { readonly request: string; readonly mode?: RotationMode | undefined } | undefined;
}

/**
 * Fills in what is left open.
 *
 * @throws RangeError when something cannot be read.
 */
export function caSettings(spec: { readonly ca?: CaSpec | undefined } | undefined): CaSettings {
  const { keyType = CA_DEFAULTS.keyType, rootTTL = CA_DEFAULTS.rootTTL, rotation } = spec?.ca ?? {};
  const { provider = CA_DEFAULTS.provider, config = {} } = spec?.ca ?? {};
  const rootTtlMs = parseDuration(rootTTL);
  if (rootTtlMs === undefined)
    throw new RangeError(`ca.rootTTL ${quoted(rootTTL)}: write a duration such as "87600h"`);
  return {
    authority: { provider, ...(Object.keys(config).length > 0 ? { config } : {}) },
    keyType,
    rootTtlMs,
    request: rotation && { id: rotation.request, mode: rotation.mode ?? CA_DEFAULTS.mode },
  };
}
