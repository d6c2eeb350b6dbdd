import { setTimeout as sleep } from 'node:timers/promises';

import { Attacker } from '../kit/attacker.ts';
import type { LegitimateLoad } from '../kit/legitimate-load.ts';
import { ADDRESSES, SidecarUnderAttack } from '../kit/sidecar-under-attack.ts';
import { withVariants } from '../kit/variants.ts';
import { FLOOD_NAMES } from './flood.ts';
import { expectServed } from './served.ts';

/** A peer that may be let in and sends frames that make work and bring none: it is cut off, and others are served. */

const ATTACK_MS = 6_000;
/** The first cut comes within this, also on a busy machine. */
const CUT_MS = 30_000;
/** Of a core, what the attacked process may use for the flood once it was cut off for the first time; without limits it is all. */
const MOST_OF_A_CORE = 0.5;
/** Other work on the machine makes each instruction slower, now and then; a flood does so every time. */
const PERIODS = 3;

let sidecar: SidecarUnderAttack;
let load: LegitimateLoad;
let attacker: Attacker | undefined;
beforeAll(async () => {
  sidecar = await SidecarUnderAttack.start();
  load = await sidecar.load();
});
afterEach(async () => {
  await attacker?.stop();
});
afterAll(() => sidecar.stop());

/** How often the attacker was cut off so far. */
function cuts({ said }: Attacker): number {
  return Number([...said.matchAll(/cut (\d+) times/g)].at(-1)?.[1] ?? 0);
}

/** Of the attacked process, so far. */
function usage(): { readonly seconds: number; readonly at: number } {
  return { seconds: sidecar.processorSeconds, at: performance.now() };
}

/** Of a core. */
function shareSince({ seconds, at }: ReturnType<typeof usage>): number {
  return (sidecar.processorSeconds - seconds) / ((performance.now() - at) / 1_000);
}

const FLOODS = FLOOD_NAMES.map((name, index) => [name, index] as const);

test.each(withVariants(FLOODS.slice(0, 2), FLOODS.slice(2)))(
  'a flood of %s is cut off again and again, and costs less than half of a core',
  async (flood, index) => {
    const before = usage();
    const calm = await load.run(2_000);
    const calmShare = shareSince(before);
    const { certChainPem: cert, keyPem: key } = await sidecar.identity('web');
    // Each at an address of its own, so that no flood profits from what the one before has spent.
    const localAddress = `127.1.0.${index + 1}`;
    const to = { host: ADDRESSES.db, port: sidecar.inboundPort, localAddress, cert, key };
    attacker = Attacker.start(new URL('flood.ts', import.meta.url), {
      ...to,
      flood,
      appPort: sidecar.app.port,
      tunnels: 1,
    });
    await attacker.says('begins');
    const served = load.run(ATTACK_MS + 4_000);
    const deadline = performance.now() + CUT_MS;
    while (cuts(attacker) === 0 && performance.now() < deadline) await sleep(100);
    let share = 1;
    for (let period = 0; period < PERIODS && share >= MOST_OF_A_CORE; period++) {
      const cut = usage();
      await sleep(ATTACK_MS);
      share = Math.min(share, shareSince(cut) - calmShare);
      if (process.env['MESH_ATTACK_FIGURES']) console.log(JSON.stringify({ flood, calmShare, share }));
    }
    expect(attacker.said).toContain('far more frames without work than work');
    expect(share).toBeLessThan(MOST_OF_A_CORE);
    expectServed(sidecar, await served, calm);
  },
);
