import type { RootSlots } from './authority.ts';
import { BuiltinProvider } from './builtin-provider.ts';
import type { BuiltinProviderParts } from './builtin-provider.ts';
import { NEXT_CA_SECRET_NAME } from './builtin-state.ts';

/** The two places of the builtin root: Secrets `mesh-ca` and, during a rotation, `mesh-ca-next`. */
export function builtinSlots(parts: Omit<BuiltinProviderParts, 'publishedRoots' | 'secretName'>): RootSlots {
  return {
    current: () => new BuiltinProvider({ ...parts, publishedRoots: there }),
    next: (make) =>
      new BuiltinProvider({
        ...parts,
        secretName: NEXT_CA_SECRET_NAME,
        ...(make ? {} : { publishedRoots: there }),
      }),
  };
}

/** Somebody believes what is in that place, so nothing may be made in its stead. */
const there = (): Promise<number> => Promise.resolve(1);
