import { readFile } from 'node:fs/promises';

import { CREDENTIALS_SECRET } from '#core/model/ca-providers.ts';
import type { ProviderSettings } from '#core/model/ca-providers.ts';
import type { CaKeyType } from '#core/model/ca-settings.ts';
import type { OwnerReference } from '#core/resource.ts';
import type { TrustDomain } from '#core/spiffe-id.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';

import { BuiltinProvider } from './builtin-provider.ts';
import { Credentials } from './credentials.ts';
import type { CaProvider } from './provider.ts';
import { StepCaProvider } from './step-ca/step-provider.ts';
import { VaultProvider } from './vault/vault-provider.ts';

export interface ProviderDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** The mesh's own namespace. */
  readonly namespace: string;
  readonly trustDomain: TrustDomain;
  /** Host names of the operator's Service. */
  readonly servingNames: readonly string[];
  readonly owner?: OwnerReference | undefined;
  /** How many roots workloads trust already (MeshConfig `status.roots`). */
  readonly publishedRoots: () => Promise<number>;
  /** What a root that the builtin provider makes is like. */
  readonly newRoot: () => { readonly keyType: CaKeyType; readonly rootTtlMs: number };
}

/** Where the kubelet keeps the operator's token for Vault; see the chart's Deployment. */
const VAULT_TOKEN_FILE = '/var/run/secrets/mesh/vault/token';

/** The provider that the settings name; nothing is asked or made before its `start`. */
export function createProvider(settings: ProviderSettings, deps: ProviderDeps): CaProvider {
  const { owner, ...common } = deps;
  switch (settings.provider) {
    case 'builtin':
      return new BuiltinProvider({ ...common, ...(owner ? { owner } : {}) });
    case 'vault':
      return new VaultProvider({
        ...common,
        settings,
        credentials: new Credentials({ ...deps, name: CREDENTIALS_SECRET.vault }),
        readServiceAccountToken: async () => (await readFile(VAULT_TOKEN_FILE, 'utf8')).trim(),
        random: Math.random,
      });
    case 'step-ca':
      return new StepCaProvider({
        ...common,
        settings,
        credentials: new Credentials({ ...deps, name: CREDENTIALS_SECRET['step-ca'] }),
      });
  }
}
