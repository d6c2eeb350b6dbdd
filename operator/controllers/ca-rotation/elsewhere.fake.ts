import type { AuthorityChoice } from '#core/model/ca-settings.ts';
import type { MeshConfigSpec } from '#core/model/mesh-config.ts';
import { issueCrossSigned } from '#pki/profile.ts';

import { ExampleProvider, MemoryKeyHolder } from '../../ca/example-provider.fake.ts';
import type { CaProvider } from '../../ca/provider.ts';
import type { RootSlots } from '../../ca/root-slots.ts';
import { SCOPE } from '../controllers.fake.ts';
import { RotationWorld } from './rotation-world.fake.ts';

/**
 * Authorities elsewhere, by their address; those whose address begins with `https://signs` can cross-sign, those with `https://refuses`
 * are there and sign nothing, those with `https://deceives` sign with another root than they show.
 */
export class Elsewhere {
  readonly holders = new Map<string, MemoryKeyHolder>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  at(choice: AuthorityChoice): CaProvider {
    const name = new URL(choice.config?.['address'] ?? '').hostname;
    const holder = this.holders.get(name) ?? new MemoryKeyHolder(this.#now);
    this.holders.set(name, holder);
    const provider = new ExampleProvider(holder, SCOPE.trustDomain, this.#now);
    if (name.startsWith('refuses'))
      return Object.assign(provider, { sign: () => Promise.reject(new Error('this role may not sign')) });
    if (name.startsWith('deceives')) return Object.assign(provider, { sign: this.#strangerSigns() });
    if (!name.startsWith('signs')) return provider;
    return Object.assign(provider, {
      crossSign: async (rootPem: string) =>
        issueCrossSigned(await holder.signer(SCOPE.trustDomain), rootPem, this.#now()),
    });
  }

  #strangerSigns(): CaProvider['sign'] {
    const now = this.#now;
    const stranger = new ExampleProvider(new MemoryKeyHolder(now), SCOPE.trustDomain, now);
    return async (request) => {
      await stranger.start();
      return stranger.sign(request);
    };
  }

  /** These, and the builtin one. */
  beside(builtin: RootSlots): RootSlots {
    return {
      current: (choice) => (choice.provider === 'builtin' ? builtin.current(choice) : this.at(choice)),
      next: (choice, make) => (choice.provider === 'builtin' ? builtin.next(choice, make) : this.at(choice)),
    };
  }
}

/** What chooses the authority of that name. */
export function elsewhereAt(name: string, path = ''): MeshConfigSpec {
  const config = { address: `https://${name}.test`, intermediatePath: `pki${path}` };
  return { ca: { provider: 'vault', config, rotation: null } } as object;
}

/** What chooses the builtin one again. */
export const BUILTIN: MeshConfigSpec = {
  ca: { provider: 'builtin', config: null, rotation: null },
} as object;

/** A mesh with the builtin authority, and others elsewhere that it may be moved to. */
export async function worldWithElsewhere(): Promise<{
  readonly world: RotationWorld;
  readonly elsewhere: Elsewhere;
}> {
  const world = await RotationWorld.make();
  const elsewhere = new Elsewhere(() => world.clock.now());
  world.slots = (builtin) => elsewhere.beside(builtin);
  return { world, elsewhere };
}
