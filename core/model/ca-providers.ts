import { closest } from '../closest.ts';
import { parseDuration } from '../duration.ts';
import type { Fault } from '../fault.ts';
import { oneOf, quoted } from '../fault.ts';
import { certificatesFault } from '../pem.ts';

/**
 * What `spec.ca.provider` and `spec.ca.config` of a MeshConfig may say: which provider holds the root key, and how it is reached.
 * Credentials are never among it; they are in a Secret of the mesh's namespace whose name is fixed.
 */

export const CA_PROVIDERS = ['builtin', 'vault', 'step-ca'] as const;
export type CaProviderName = (typeof CA_PROVIDERS)[number];

/** The Secrets that hold the credentials, in the mesh's namespace. */
export const CREDENTIALS_SECRET = { vault: 'mesh-ca-vault', 'step-ca': 'mesh-ca-step' } as const;

const VAULT_AUTH_METHODS = ['kubernetes', 'approle', 'token'] as const;
type VaultAuthMethod = (typeof VAULT_AUTH_METHODS)[number];

/** Where an authority's API is, and how its TLS certificate is checked. */
export interface RemoteSettings {
  /** `https://host[:port]`, nothing after it. */
  readonly address: string;
  /** Who vouches for the API's TLS certificate, PEM; the system's roots where it is missing. */
  readonly caCertificate: string | undefined;
  /** The name in the API's TLS certificate, where it is another than the address's. */
  readonly tlsServerName: string | undefined;
}

export interface VaultSettings extends RemoteSettings {
  readonly provider: 'vault';
  /** Of Vault Enterprise and OpenBao; sent with every request. */
  readonly namespace: string | undefined;
  readonly auth: VaultAuthMethod;
  /** Where that auth method is mounted. */
  readonly authPath: string;
  /** Role of the auth method `kubernetes`. */
  readonly role: string;
  /** Mount of the PKI engine that signs leaves. */
  readonly intermediatePath: string;
  /** Mount of the PKI engine with the root that signs our intermediate; without it the intermediate must be there. */
  readonly rootPath: string | undefined;
  /** Life of an intermediate that we ask for. */
  readonly intermediateTtlMs: number;
}

export interface StepCaSettings extends RemoteSettings {
  readonly provider: 'step-ca';
  /** Name of the JWK provisioner. */
  readonly provisioner: string;
}

export type ProviderSettings = { readonly provider: 'builtin' } | VaultSettings | StepCaSettings;

export type ProviderSettingsResult =
  | { readonly ok: true; readonly settings: ProviderSettings }
  | { readonly ok: false; readonly faults: readonly Fault[] };

type Config = Readonly<Record<string, string>>;
type Reader = (value: string) => string | undefined;

const PATH = /^[A-Za-z0-9][A-Za-z0-9_.-]*(\/[A-Za-z0-9][A-Za-z0-9_.-]*)*$/;
const HOST_NAME = /^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/;
const MIN_INTERMEDIATE_MS = 24 * 3600 * 1000;

const REMOTE_KEYS: Readonly<Record<string, Reader>> = {
  address: addressFault,
  caCertificate: certificatesFault,
  tlsServerName: (value) =>
    HOST_NAME.test(value) ? undefined : 'is not a valid host name; write such as "vault.example.com"',
};

/** Every key of `spec.ca.config`, and what is wrong with a value of it. */
const KEYS: Readonly<Record<CaProviderName, Readonly<Record<string, Reader>>>> = {
  builtin: {},
  vault: {
    ...REMOTE_KEYS,
    namespace: pathFault,
    auth: (value) =>
      VAULT_AUTH_METHODS.some((method) => method === value)
        ? undefined
        : `is not known; write ${oneOf(VAULT_AUTH_METHODS)}`,
    authPath: pathFault,
    role: pathFault,
    intermediatePath: pathFault,
    rootPath: pathFault,
    intermediateTTL: (value) =>
      (parseDuration(value) ?? 0) >= MIN_INTERMEDIATE_MS
        ? undefined
        : 'is not a valid duration of 24h or more; write such as "8760h"',
  },
  'step-ca': {
    ...REMOTE_KEYS,
    provisioner: (value) =>
      /^[^\s"]{1,200}$/.test(value)
        ? undefined
        : 'is not a valid name of a provisioner; write it as step-ca lists it',
  },
};

const REQUIRED: Readonly<Record<CaProviderName, readonly string[]>> = {
  builtin: [],
  vault: ['address', 'intermediatePath'],
  'step-ca': ['address', 'provisioner'],
};

/** Words that only a credential goes by. */
const CREDENTIAL = /token|secret|password|private|role-?id|jwk|key$/i;

/**
 * Reads what a MeshConfig says about its provider, and tells everything that is wrong with it at once. No fault quotes a value of `config`: it
 * may be a credential, written here by mistake. Never throws.
 */
export function readProviderSettings(
  ca: { readonly provider?: string | undefined; readonly config?: Config | undefined } | undefined,
): ProviderSettingsResult {
  const provider = CA_PROVIDERS.find((name) => name === (ca?.provider ?? 'builtin'));
  if (!provider) {
    const message = `${quoted(ca?.provider)} is not known; write ${oneOf(CA_PROVIDERS)}`;
    return { ok: false, faults: [{ field: 'spec.ca.provider', message }] };
  }
  const config = ca?.config ?? {};
  const faults = configFaults(provider, config);
  return faults.length > 0 ? { ok: false, faults } : { ok: true, settings: settingsOf(provider, config) };
}

function configFaults(provider: CaProviderName, config: Config): Fault[] {
  const known = KEYS[provider];
  const missing = REQUIRED[provider].filter((key) => config[key] === undefined);
  const samePath =
    provider === 'vault' &&
    config['rootPath'] !== undefined &&
    config['rootPath'] === config['intermediatePath'];
  return [
    ...(samePath
      ? [
          {
            field: 'spec.ca.config.rootPath',
            message: 'is the intermediatePath too; root and intermediate need mounts of their own',
          },
        ]
      : []),
    ...missing.map((key) => ({
      field: `spec.ca.config.${key}`,
      message: `is missing, and "${provider}" needs it`,
    })),
    ...Object.entries(config).flatMap(([key, value]): Fault[] => {
      const field = `spec.ca.config.${key.slice(0, 80)}`;
      const reader = Object.hasOwn(known, key) ? known[key] : undefined;
      const message = reader ? reader(value) : unknownKey(provider, key);
      return message === undefined ? [] : [{ field, message }];
    }),
  ];
}

function unknownKey(provider: CaProviderName, key: string): string {
  const keys = Object.keys(KEYS[provider]);
  if (provider !== 'builtin' && CREDENTIAL.test(key)) {
    return `credentials do not belong here, where everybody can read them: replace that one, and put the new one into the Secret ${CREDENTIALS_SECRET[provider]} of the mesh's namespace`;
  }
  const near = closest(key, keys);
  if (near) return `is not a setting of "${provider}"; did you mean "${near}"?`;
  if (keys.length === 0) return `is not a setting of "${provider}", which has none; remove it`;
  return `is not a setting of "${provider}"; those are ${keys.join(', ')}`;
}

function settingsOf(provider: CaProviderName, config: Config): ProviderSettings {
  if (provider === 'builtin') return { provider };
  const remote = {
    address: new URL(config['address'] ?? '').origin,
    caCertificate: config['caCertificate'],
    tlsServerName: config['tlsServerName'],
  };
  if (provider === 'step-ca') return { provider, ...remote, provisioner: config['provisioner'] ?? '' };
  const auth = VAULT_AUTH_METHODS.find((method) => method === config['auth']) ?? 'kubernetes';
  return {
    provider,
    ...remote,
    namespace: config['namespace'],
    auth,
    authPath: config['authPath'] ?? auth,
    role: config['role'] ?? 'mesh-operator',
    intermediatePath: config['intermediatePath'] ?? '',
    rootPath: config['rootPath'],
    intermediateTtlMs: parseDuration(config['intermediateTTL'] ?? '8760h') ?? 0,
  };
}

/** A URL may hold a password; so no more of it than the scheme is told. */
function addressFault(value: string): string | undefined {
  let url: URL;
  try {
    url = new URL(value);
  } catch {
    return 'is not a URL; write such as "https://vault.example.com:8200"';
  }
  if (url.protocol !== 'https:')
    return `begins with ${quoted(url.protocol)}: keys are never signed over an unprotected connection; write https://`;
  if (url.username !== '' || url.password !== '')
    return 'holds a user name or password; write only https://, host and port';
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return 'has something after host and port; write only https://, host and port';
  return undefined;
}

function pathFault(value: string): string | undefined {
  if (value.length <= 200 && PATH.test(value)) return undefined;
  return 'is not a valid path; write letters, digits, "-", "_" and ".", with "/" between parts and none at either end';
}
