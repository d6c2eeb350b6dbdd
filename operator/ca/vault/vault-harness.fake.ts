import type { VaultSettings } from '#core/model/ca-providers.ts';
import type { Clock } from '#base/clock.ts';
import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';

import { Credentials } from '../credentials.ts';
import { SERVING_NAMES, TRUST_DOMAIN } from '../certificate-requests.fake.ts';
import { secretOf } from '../secret.fake.ts';
import { StoreApi } from '../store-api.fake.ts';
import { VaultProvider } from './vault-provider.ts';
import type { VaultProviderDeps } from './vault-provider.ts';

/** Providers that share a Secret and a log. */
export class VaultProviders {
  readonly store = new StoreApi();
  readonly log = new FakeLog();
  readonly #made: VaultProvider[] = [];

  constructor(secret: Readonly<Record<string, string>> = {}) {
    this.putSecret(secret);
  }

  putSecret(texts: Readonly<Record<string, string>>): void {
    this.store.put('secrets', secretOf('mesh', 'mesh-ca-vault', texts));
  }

  provider(
    settings: VaultSettings,
    bends: Partial<VaultProviderDeps> & { clock?: Clock } = {},
  ): VaultProvider {
    const made = new VaultProvider({
      settings,
      credentials: new Credentials({ api: this.store.api, namespace: 'mesh', name: 'mesh-ca-vault' }),
      readServiceAccountToken: () => Promise.reject(new Error('not used here')),
      trustDomain: TRUST_DOMAIN,
      servingNames: SERVING_NAMES,
      publishedRoots: () => Promise.resolve(0),
      clock: systemClock,
      log: this.log,
      random: Math.random,
      ...bends,
    });
    this.#made.push(made);
    return made;
  }

  async stop(): Promise<void> {
    for (const each of this.#made) await each.stop();
  }
}
