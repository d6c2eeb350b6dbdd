import { systemClock } from '#base/clock.ts';

import { originOf } from './origin.ts';
import { PendingConnections } from './pending-connections.ts';
import type { PendingOptions, Place } from './pending-connections.ts';

interface Told {
  readonly places: PendingConnections;
  readonly evicted: string[];
  /** A name that is not a valid IPv6 address is a network by itself. */
  readonly add: (name: string, address: string) => Place;
}

function setUp(options: Partial<PendingOptions> = {}): Told {
  const places = new PendingConnections({ clock: systemClock, max: 4, maxPerNetwork: 3, ...options });
  const evicted: string[] = [];
  return {
    places,
    evicted,
    add: (name, address) => {
      const place = places.add(originOf(address), () => void evicted.push(`${name} ${place.evicted}`));
      return place;
    },
  };
}

/** As many turns of the event loop as a connection is left alone, and one more. */
async function turns(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
}

test('of too many of one network the oldest is evicted, and no other network loses any', async () => {
  const { add, evicted, places } = setUp();
  add('other', 'b');
  for (const name of ['1', '2', '3', '4', '5']) add(name, 'a');
  await turns();
  expect(evicted).toEqual(['1 address', '2 address']);
  expect(places.size).toBe(4);
});

test('of too many in all the oldest of the network with most is evicted, not the oldest of all', async () => {
  const { add, evicted } = setUp({ maxPerNetwork: 4 });
  add('old', 'a');
  for (const name of ['1', '2', '3', '4']) add(name, 'b');
  await turns();
  expect(evicted).toEqual(['1 total']);
});

test('where each network has one, the oldest is evicted', async () => {
  const { add, evicted } = setUp();
  for (let index = 0; index < 7; index++) add(String(index), `network ${index}`);
  await turns();
  expect(evicted).toEqual(['0 total', '1 total', '2 total']);
});

test('an address whose peers were let in loses its connections only where there are no others', async () => {
  const { add, evicted } = setUp({ isKnown: (address) => address === 'known' });
  add('first', 'known');
  for (let index = 0; index < 6; index++) add(String(index), `network ${index}`);
  await turns();
  expect(evicted).toEqual(['0 total', '1 total', '2 total']);
});

test('inside of one /64 the oldest of the address with most is evicted, not the oldest of all', async () => {
  const { add, evicted } = setUp();
  add('old', 'fd00:1:2:3::1');
  for (const name of ['1', '2', '3', '4']) add(name, 'fd00:1:2:3::66');
  await turns();
  expect(evicted).toEqual(['1 address', '2 address']);
});

test('all addresses of one /64 together have no more than the share of one network', async () => {
  const { add, evicted } = setUp();
  add('other', 'fd00:1:2:4::1');
  for (let index = 0; index < 6; index++) add(String(index), `fd00:1:2:3::${index}`);
  await turns();
  expect(evicted).toEqual(['0 address', '1 address', '2 address']);
});

test('a known address is evicted for no stranger of its own /64, and finds room there sooner', async () => {
  const { add, evicted, places } = setUp({
    maxPerNetwork: 2,
    graceMs: 60_000,
    graceForKnownMs: 100,
    isKnown: (address) => address === 'fd00:1:2:3::1',
  });
  add('stranger', 'fd00:1:2:3::66');
  add('another', 'fd00:1:2:3::67');
  await new Promise((resolve) => setTimeout(resolve, 200));
  await turns();
  expect(places.hasRoom(originOf('fd00:1:2:3::68'))).toBe(false);
  expect(places.hasRoom(originOf('fd00:1:2:3::1'))).toBe(true);
  add('known', 'fd00:1:2:3::1');
  await turns();
  add('known again', 'fd00:1:2:3::1');
  await turns();
  expect(evicted).toEqual(['stranger address', 'another address']);
});

test('of connections that hold too much, one of a known address goes only after those of strangers', () => {
  const { add, evicted } = setUp({ maxBytes: 1_000, isKnown: (address) => address === 'known' });
  const known = add('known', 'known');
  known.hold(600);
  add('silent', 'a');
  add('small', 'b').hold(500);
  expect(evicted).toEqual(['small bytes']);
  known.hold(1_100);
  expect(evicted).toEqual(['small bytes', 'known bytes']);
});

test('nobody is evicted before the turn of the event loop in which it could be heard', () => {
  const { add, evicted, places } = setUp();
  for (let index = 0; index < 8; index++) add(String(index), `network ${index}`);
  expect(evicted).toEqual([]);
  expect(places.size).toBe(8);
});

test('a crowd that comes in one turn is bounded all the same', () => {
  const { add, evicted, places } = setUp();
  for (let index = 0; index < 100; index++) add(String(index), `network ${index}`);
  expect(places.size).toBe(8);
  expect(evicted).toHaveLength(92);
});

test('a grace of some milliseconds holds, and ends', async () => {
  const { add, evicted, places } = setUp({ graceMs: 200 });
  for (let index = 0; index < 5; index++) add(String(index), `network ${index}`);
  await turns();
  expect(evicted).toEqual([]);
  expect(places.hasRoom(originOf('another'))).toBe(false);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(evicted).toEqual(['0 total']);
  expect(places.hasRoom(originOf('another'))).toBe(true);
});

test('for one of a known address there is room sooner, and not at the cost of its own', async () => {
  const { add, evicted, places } = setUp({
    maxPerNetwork: 2,
    graceMs: 60_000,
    graceForKnownMs: 100,
    isKnown: (address) => address === 'known',
  });
  for (let index = 0; index < 4; index++) add(String(index), `network ${index}`);
  await new Promise((resolve) => setTimeout(resolve, 200));
  await turns();
  expect(places.hasRoom(originOf('stranger'))).toBe(false);
  expect(places.hasRoom(originOf('known'))).toBe(true);
  add('5', 'known');
  add('6', 'known');
  await turns();
  expect(evicted).toEqual(['0 total', '1 total']);
  expect(places.hasRoom(originOf('known'))).toBe(false);
});

test('a place that was given back is free, and can be given back again', async () => {
  const { add, evicted, places } = setUp();
  const first = ['1', '2', '3', '4'].map((name) => add(name, `network ${name}`));
  first[0]?.release();
  first[0]?.release();
  add('5', 'network 5');
  await turns();
  expect(evicted).toEqual([]);
  expect(places.size).toBe(4);
});

test('of connections that hold too much together the one with most is evicted', () => {
  const { add, evicted } = setUp({ maxBytes: 1_000 });
  const [small, large, medium] = ['small', 'large', 'medium'].map((name) => add(name, name));
  small?.hold(200);
  large?.hold(600);
  medium?.hold(100);
  expect(evicted).toEqual([]);
  medium?.hold(300);
  expect(evicted).toEqual(['large bytes']);
  small?.hold(700);
  expect(evicted).toEqual(['large bytes']);
});

test('what was evicted holds nothing any more, whatever it says', () => {
  const { add, evicted } = setUp({ maxBytes: 1_000 });
  const place = add('one', 'a');
  place.hold(2_000);
  expect(evicted).toEqual(['one bytes']);
  place.hold(5_000);
  add('two', 'b').hold(1_000);
  expect(evicted).toEqual(['one bytes']);
});

test('evicting does not become slower with the number of networks', async () => {
  const took = async (networks: number): Promise<number> => {
    const { add } = setUp({ max: networks, maxPerNetwork: networks });
    for (let index = 0; index < networks; index++) add('x', `network ${index}`);
    await turns();
    const began = process.cpuUsage();
    for (let index = 0; index < 2_000; index++) {
      add('y', `late ${index}`);
      if (index % 50 === 0) await turns();
    }
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };
  await took(100);
  const few = await took(100);
  expect(await took(5_000)).toBeLessThan(10 * few);
});
