import { setTimeout as sleep } from 'node:timers/promises';

import type { Svid } from '#pki/svid.ts';

import { Attacker } from '../kit/attacker.ts';
import type { LegitimateLoad } from '../kit/legitimate-load.ts';
import { ADDRESSES, SidecarUnderAttack } from '../kit/sidecar-under-attack.ts';
import type { IdleOrder } from './idle.ts';
import { expectServed } from './served.ts';

/** Tunnels that are opened and carry nothing: they cost a sidecar memory, and the peer nothing. */

const PROGRAM = new URL('idle.ts', import.meta.url);
const ATTACK_MS = 15_000;

let sidecar: SidecarUnderAttack;
let load: LegitimateLoad;
let attacker: Attacker | undefined;
beforeEach(async () => {
  sidecar = await SidecarUnderAttack.start();
  load = await sidecar.load();
});
afterEach(async () => {
  await attacker?.stop();
  await sidecar.stop();
});

function attack(identity: Svid, order: Pick<IdleOrder, 'addresses' | 'tunnels' | 'appPort'>): Attacker {
  const { certChainPem: cert, keyPem: key } = identity;
  attacker = Attacker.start(PROGRAM, { ...order, host: ADDRESSES.db, port: sidecar.inboundPort, cert, key });
  return attacker;
}

/** What the attacker said last about how many tunnels it has opened so far, or has open now. */
function count({ said }: Attacker, what: 'opened' | 'open'): number {
  return Number([...said.matchAll(new RegExp(`\\b${what} (\\d+)\\b`, 'g'))].at(-1)?.[1] ?? 0);
}

async function begun(by: Attacker): Promise<void> {
  await by.says('opened');
  while (count(by, 'opened') < 200 && sidecar.isAlive) await sleep(50);
}

test('of a denied peer at one address few stay open, however many it opens', async () => {
  const calm = await load.run(3_000);
  const by = attack(await sidecar.identity('stranger'), { addresses: 1, tunnels: 5_000 });
  await begun(by);
  expectServed(sidecar, await load.run(ATTACK_MS), calm);
  // Sixteen, those that had to go a moment ago, and those that are just being opened.
  expect(count(by, 'open')).toBeLessThan(150);
});

test('of a denied peer at very many addresses so many stay open as there is memory for', async () => {
  const calm = await load.run(3_000);
  const by = attack(await sidecar.identity('stranger'), { addresses: 2_000, tunnels: 4 });
  await begun(by);
  expectServed(sidecar, await load.run(4 * ATTACK_MS), calm);
});

test('a thousand pods of one service have a tunnel each with a stream in it, and all of them work', async () => {
  const calm = await load.run(3_000);
  const by = attack(await sidecar.identity('web'), {
    addresses: 1_000,
    tunnels: 1,
    appPort: sidecar.app.port,
  });
  await by.says('all were tried');
  expectServed(sidecar, await load.run(3_000), calm);
  expect(by.said).toContain('opened 1000, refused 0, open 1000 end');
});
