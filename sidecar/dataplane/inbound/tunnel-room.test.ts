import { FakeClock } from '#base/testing/clock.fake.ts';

import { PeerAccount } from '../memory/peer-account.ts';
import { MOST_IDLE_TUNNELS_OF_A_PEER, MOST_TUNNELS_OF_A_PEER, leastUseful, tooMany } from './tunnel-room.ts';
import type { Tenant } from './tunnel-room.ts';

const MEMORY = 64 * 1_048_576;
const web = new PeerAccount('web', '10.0.0.1', new FakeClock());
const sibling = new PeerAccount('web', '10.0.0.2', new FakeClock());
const stranger = new PeerAccount('stranger', '10.0.0.3', new FakeClock());

function tenant(account: PeerAccount, idleSince: number | undefined, hasCarried = false): Tenant {
  return { account, idleSince, hasCarried };
}
function many(count: number, make: (index: number) => Tenant): readonly Tenant[] {
  return Array.from({ length: count }, (_, index) => make(index));
}

describe('one more tunnel', () => {
  test('fits below the cap for one peer, and not at it', () => {
    const used = (count: number) => many(count, () => tenant(web, undefined));
    expect(tooMany(used(MOST_TUNNELS_OF_A_PEER - 1), web, MEMORY)).toBeUndefined();
    expect(tooMany(used(MOST_TUNNELS_OF_A_PEER), web, MEMORY)).toBe('tunnels');
  });

  test('fits below the cap for those of one peer that carry nothing, and not at it', () => {
    const idle = (count: number) => many(count, (index) => tenant(web, index));
    expect(tooMany(idle(MOST_IDLE_TUNNELS_OF_A_PEER - 1), web, MEMORY)).toBeUndefined();
    expect(tooMany(idle(MOST_IDLE_TUNNELS_OF_A_PEER), web, MEMORY)).toBe('tunnels');
    expect(tooMany(idle(MOST_IDLE_TUNNELS_OF_A_PEER), sibling, MEMORY)).toBeUndefined();
  });

  test('does not fit where those of all peers that carry nothing take half of the memory', () => {
    const everybody = (count: number) =>
      many(count, (index) => tenant(new PeerAccount('x', `${index}`, new FakeClock()), index));
    expect(tooMany(everybody(100), web, MEMORY)).toBeUndefined();
    expect(tooMany(everybody(1_000), web, MEMORY)).toBe('process');
  });
});

describe('the tunnel that is ended so that another one fits', () => {
  test('is never one that carries something', () => {
    expect(
      leastUseful([tenant(web, undefined), tenant(stranger, undefined)], web, 'process'),
    ).toBeUndefined();
  });

  test('is of the peer where that has too many, of its identity where that has, and of any where all have', () => {
    const [mine, siblings, other] = [tenant(web, 3), tenant(sibling, 2), tenant(stranger, 1)];
    expect(leastUseful([mine, siblings, other], web, 'tunnels')).toBe(mine);
    expect(leastUseful([mine, siblings, other], web, 'peer')).toBe(mine);
    expect(leastUseful([mine, siblings, other], web, 'identity')).toBe(siblings);
    expect(leastUseful([mine, siblings, other], web, 'process')).toBe(other);
  });

  test('never carried anything, even where others are idle for longer and their peer has more of them', () => {
    const useful = many(10, (index) => tenant(web, index, true));
    const unused = tenant(stranger, 100);
    expect(leastUseful([...useful, unused], web, 'process')).toBe(unused);
  });

  test('is the one that is idle for the longest time, of the peer that has most of them', () => {
    const longest = tenant(stranger, 5);
    const all = [tenant(web, 1), tenant(stranger, 9), longest, tenant(stranger, 7)];
    expect(leastUseful(all, sibling, 'process')).toBe(longest);
  });
});
