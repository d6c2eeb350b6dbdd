import { setTimeout as sleep } from 'node:timers/promises';

import { Attacker } from '../kit/attacker.ts';
import type { OperatorFigures } from '../kit/operator-load.ts';
import type { OperatorUnderAttack } from '../kit/operator-under-attack.ts';
import type { StrangersOrder } from './strangers.ts';

const PROGRAM = new URL('./strangers.ts', import.meta.url);
const CALM_MS = 4_000;
/** Until the attack has all that it keeps open. */
const SETTLE_MS = 2_000;
const ATTACK_MS = 8_000;
/** What was promised: under attack a new connection takes at most so many times as long. */
const SLOWER = 5;
/** Other work on the machine slows things down too, now and then; an attack does so every time. */
const ROUNDS = 3;

/** What an operator did while it was attacked, and how much slower than before. */
export interface Withstood {
  readonly signingFailed: number;
  readonly connectionsFailed: number;
  readonly admissionFailed: number;
  readonly probesFailed: number;
  /** In the best round. */
  readonly timesSlower: number;
  readonly peakMiB: number;
  readonly alive: boolean;
  readonly firstFault?: string;
}

/** Uses an operator in calm, and again while it is attacked; more than once where it was slow. */
export async function withstand(
  operator: OperatorUnderAttack,
  orders: readonly StrangersOrder[],
): Promise<Withstood> {
  const load = await operator.load();
  const failed = { signingFailed: 0, connectionsFailed: 0, admissionFailed: 0, probesFailed: 0 };
  let timesSlower = Infinity;
  let firstFault: string | undefined;
  for (let round = 0; round < ROUNDS && timesSlower >= SLOWER && operator.isAlive; round++) {
    const calm = await load.run(CALM_MS);
    const attacked = await underAttack(orders, () => load.run(ATTACK_MS));
    for (const key of Object.keys(failed) as (keyof typeof failed)[]) failed[key] += attacked[key];
    timesSlower = Math.min(timesSlower, attacked.connectMs / calm.connectMs);
    if (attacked.firstFault !== undefined) firstFault ??= `${attacked.firstFault}\n${operator.complaints}`;
    if (process.env['MESH_ATTACK_FIGURES'])
      console.log(
        JSON.stringify({
          orders,
          calm,
          attacked,
          timesSlower,
          peak: operator.isAlive ? operator.peakBytes : 0,
        }),
      );
  }
  load.close();
  const peakMiB = operator.isAlive ? Math.round(operator.peakBytes / 1_048_576) : Infinity;
  return {
    ...failed,
    timesSlower,
    peakMiB,
    alive: operator.isAlive,
    ...(firstFault === undefined ? {} : { firstFault }),
  };
}

async function underAttack(
  orders: readonly StrangersOrder[],
  use: () => Promise<OperatorFigures>,
): Promise<OperatorFigures> {
  const attackers = orders.map((order) => Attacker.start(PROGRAM, order));
  try {
    await Promise.all(attackers.map((attacker) => attacker.says('attacking')));
    await sleep(SETTLE_MS);
    return await use();
  } finally {
    await Promise.all(attackers.map((attacker) => attacker.stop()));
  }
}

/** Fails where ordinary use suffered more than it may, or the process more than its limit lets it. */
export function expectUnharmed(operator: OperatorUnderAttack, withstood: Withstood): void {
  expect({ firstFault: undefined, ...withstood }).toMatchObject({
    ...{ firstFault: undefined, signingFailed: 0, connectionsFailed: 0, admissionFailed: 0 },
    ...{ probesFailed: 0, alive: true },
  });
  expect(withstood.peakMiB).toBeLessThan(operator.limit.bytes / 1_048_576);
  expect(withstood.timesSlower).toBeLessThan(SLOWER);
}
