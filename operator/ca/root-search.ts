import { CA_DEFAULTS } from '#core/model/ca-settings.ts';
import type { AuthorityChoice } from '#core/model/ca-settings.ts';
import type { MeshConfigStatus } from '#core/model/mesh-config.ts';
import { sha256Hex } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';

import { CaStateError } from './provider.ts';
import type { CaProvider } from './provider.ts';
import { slotKey } from './root-slots.ts';
import type { RootSlots } from './root-slots.ts';

/** Where the root is that MeshConfig's status says signs, while one may be taking another's place. */

/** A place where a root may be. */
export interface Slot {
  readonly choice: AuthorityChoice;
  readonly isNext: boolean;
}

/** A provider that is ready to sign, and the place it was made for. */
export interface Found {
  readonly provider: CaProvider;
  readonly slot: Slot;
}

/** How long an authority may take to get ready, when others may have the root as well. */
const SLOT_MS = 10_000;
const STRANGER =
  "workloads trust other roots than the certificate authority's own, and would refuse what it signs. Put back the one that was there, " +
  'or ask for a rotation (spec.ca.rotation.request): then another takes its place, and no pod is cut off';

export function keyOf({ choice, isNext }: Slot): string {
  return slotKey(choice, isNext);
}

/**
 * The places to look in, the one in use first.
 *
 * @param ours whose root it is where the status does not say
 */
export function slotsOf(
  { authority, rotation }: Pick<MeshConfigStatus, 'authority' | 'rotation'>,
  ours: AuthorityChoice = { provider: CA_DEFAULTS.provider },
): readonly Slot[] {
  const choice = authority ?? ours;
  const slots = [
    { choice, isNext: false },
    { choice: rotation?.authority ?? choice, isNext: true },
  ];
  return slots.filter((slot, index) => slots.findIndex((other) => keyOf(other) === keyOf(slot)) === index);
}

/**
 * Starts a provider in one place after the other until one has the root. It makes none.
 *
 * @param rootId SHA-256 of the root certificate
 * @throws CaStateError when people must act: every place answers, and none has that root. Another error when one cannot be reached now
 */
export async function findRoot(
  rootId: string,
  slots: readonly Slot[],
  places: RootSlots,
  signal?: AbortSignal,
): Promise<Found> {
  const faults: Error[] = [];
  for (const slot of slots) {
    const provider = slot.isNext ? places.next(slot.choice, false) : places.current(slot.choice);
    const limit = AbortSignal.timeout(SLOT_MS);
    try {
      await provider.start(signal ? AbortSignal.any([signal, limit]) : limit);
      if (await holds(provider, rootId)) return { provider, slot };
      faults.push(new CaStateError(STRANGER));
    } catch (error) {
      faults.push(limit.aborted ? new Error(`${provider.name} did not answer in time`) : (error as Error));
    }
    await provider.stop();
  }
  const away = faults.find((fault) => !(fault instanceof CaStateError));
  throw away ?? faults[0] ?? new CaStateError('no place is known for the root that signs');
}

/** Whether a provider has that root. One that never started has none. */
export async function holds(provider: CaProvider, rootId: string): Promise<boolean> {
  try {
    const roots = await provider.roots();
    return roots.some(({ pem }) => readCertificates(pem).some(({ raw }) => sha256Hex(raw) === rootId));
  } catch {
    return false;
  }
}
