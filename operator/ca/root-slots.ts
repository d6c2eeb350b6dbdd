import { faultsText } from '#core/fault.ts';
import { readProviderSettings } from '#core/model/ca-providers.ts';
import type { ProviderSettings } from '#core/model/ca-providers.ts';
import { authorityKey } from '#core/model/ca-settings.ts';
import type { AuthorityChoice } from '#core/model/ca-settings.ts';

import { NEXT_CA_SECRET_NAME } from './builtin-state.ts';
import { BuiltinProvider } from './builtin-provider.ts';
import { CaStateError } from './provider.ts';
import type { CaProvider } from './provider.ts';
import { createProvider } from './providers.ts';
import type { ProviderDeps } from './providers.ts';

/**
 * Where the root in use is, and while it is replaced, the next one. The builtin authority has two Secrets for them, `mesh-ca` and
 * `mesh-ca-next`; another authority is one and the same place, as long as it is reached in the same way.
 */
export interface RootSlots {
  /** A new instance for the root in use; it makes none. */
  current(choice: AuthorityChoice): CaProvider;
  /** A new instance for the next root; without `make` one that must be there already. */
  next(choice: AuthorityChoice, make: boolean): CaProvider;
}

/** The same text for the same place. */
export function slotKey(choice: AuthorityChoice, isNext: boolean): string {
  return choice.provider === 'builtin' ? `builtin ${isNext ? 'next' : 'current'}` : authorityKey(choice);
}

/** The slots of every provider there is. A choice that cannot be read throws CaStateError with all its faults. */
export function rootSlots(deps: Omit<ProviderDeps, 'publishedRoots'>): RootSlots {
  return {
    current: (choice) => createProvider(settingsOf(choice), { ...deps, publishedRoots: some }),
    next: (choice, make) => {
      const publishedRoots = make ? none : some;
      const settings = settingsOf(choice);
      if (settings.provider !== 'builtin') return createProvider(settings, { ...deps, publishedRoots });
      const { owner, ...common } = deps;
      const parts = { ...common, ...(owner ? { owner } : {}), publishedRoots };
      return new BuiltinProvider({ ...parts, secretName: NEXT_CA_SECRET_NAME });
    },
  };
}

/** @throws CaStateError with everything that is wrong: admission has told it before, where the webhook was there */
export function settingsOf(choice: AuthorityChoice): ProviderSettings {
  const read = readProviderSettings(choice);
  if (read.ok) return read.settings;
  throw new CaStateError(faultsText('the certificate authority cannot start', read.faults));
}

/** Somebody trusts what is in that place, so nothing may be made in its stead. */
const some = (): Promise<number> => Promise.resolve(1);
const none = (): Promise<number> => Promise.resolve(0);
