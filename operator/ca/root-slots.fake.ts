import type { CaProvider } from './provider.ts';
import type { RootSlots } from './root-slots.ts';

/** For tests in which no root is replaced: one provider in every place. */
export function oneSlot(provider: CaProvider): RootSlots {
  return { current: () => provider, next: () => provider };
}
