import { setTimeout as sleep } from 'node:timers/promises';

import { Attacker } from '../kit/attacker.ts';
import type { LegitimateLoad, LoadFigures } from '../kit/legitimate-load.ts';
import type { SidecarUnderAttack } from '../kit/sidecar-under-attack.ts';

const CALM_MS = 2_000;
/** Until the attack has all that it keeps open. */
const SETTLE_MS = 2_000;
const ATTACK_MS = 6_000;
/** What was promised: under attack a new connection takes at most so many times as long. */
const SLOWER = 5;

/** Other work on the machine slows things down too, now and then; an attack does so every time. */
const ROUNDS = 5;

export interface Attack {
  readonly program: URL;
  readonly order: object;
}

/** What a process did while it was attacked, and how much slower than before. */
export interface Withstood {
  readonly failed: number;
  readonly connectionsFailed: number;
  /** The best round under attack, against the slowest in calm. */
  readonly timesSlower: number;
  readonly peakMiB: number;
  readonly alive: boolean;
}

/**
 * Uses a sidecar in calm, and again while it is attacked; more than once where it was slow.
 *
 * @param meanwhile runs beside the load during the attack, until its signal is aborted
 */
export async function withstand(
  sidecar: SidecarUnderAttack,
  attacks: readonly Attack[],
  meanwhile: (until: AbortSignal) => Promise<void> = () => Promise.resolve(),
): Promise<Withstood> {
  const load = await sidecar.load();
  const failures = { failed: 0, connectionsFailed: 0 };
  let calmMs = 0;
  let attackedMs = Infinity;
  const timesSlower = (): number => attackedMs / calmMs;
  for (let round = 0; round < ROUNDS && !(timesSlower() < SLOWER) && sidecar.isAlive; round++) {
    calmMs = Math.max(calmMs, (await load.run(CALM_MS)).connectMs);
    const attacked = await underAttack(load, attacks, meanwhile);
    failures.failed += attacked.failed;
    failures.connectionsFailed += attacked.connectionsFailed;
    attackedMs = Math.min(attackedMs, attacked.connectMs);
  }
  load.close();
  const peakMiB = sidecar.isAlive ? Math.round(sidecar.peakBytes / 1_048_576) : Infinity;
  const withstood = { ...failures, timesSlower: timesSlower(), peakMiB, alive: sidecar.isAlive };
  if (process.env['MESH_ATTACK_FIGURES']) console.log(JSON.stringify(withstood));
  return withstood;
}

async function underAttack(
  load: LegitimateLoad,
  attacks: readonly Attack[],
  meanwhile: (until: AbortSignal) => Promise<void>,
): Promise<LoadFigures> {
  const attackers = attacks.map(({ program, order }) => Attacker.start(program, order));
  try {
    await Promise.all(attackers.map((attacker) => attacker.says('attacking')));
    await sleep(SETTLE_MS);
    const over = new AbortController();
    const besides = meanwhile(over.signal);
    const figures = await load.run(ATTACK_MS);
    over.abort();
    await besides;
    return figures;
  } finally {
    await Promise.all(attackers.map((attacker) => attacker.stop()));
  }
}

/** Fails where ordinary use suffered more than it may, or the process more than its limit lets it. */
export function expectUnharmed(sidecar: SidecarUnderAttack, withstood: Withstood): void {
  expect(withstood).toMatchObject({ failed: 0, connectionsFailed: 0, alive: true });
  expect(withstood.peakMiB).toBeLessThan(sidecar.limit.bytes / 1_048_576);
  expect(withstood.timesSlower).toBeLessThan(SLOWER);
}
