import { FakeClock } from '#base/testing/clock.fake.ts';

import { HandshakeTurns } from './handshake-turns.ts';
import type { HandshakeEnd } from './handshake-turns.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count: number): Promise<void> => {
  for (let index = 0; index < count; index++) await turn();
};

let clock: FakeClock;
let queue: HandshakeTurns;
let begun: string[];
let ends: Map<string, HandshakeEnd>;
beforeEach(() => {
  clock = new FakeClock();
  queue = new HandshakeTurns(clock, {
    ...{ perNetwork: 2, knownPerSecond: 1, knownBurst: 5 },
    ...{ unknownPerSecond: 10, unknownBurst: 3 },
  });
  begun = [];
  ends = new Map();
});

/** What a test before this one left in the event loop is not to be seen here. */
const add = (name: string, { network = name, isGone = (): boolean => false } = {}): void => {
  const [names, byName] = [begun, ends];
  queue.add({ network, isKnown: network.startsWith('known') }, isGone, (end) => {
    names.push(name);
    byName.set(name, end);
  });
};

test('one handshake begins in a turn of the event loop', async () => {
  for (let index = 0; index < 3; index++) add(`known${index}`);
  expect(begun).toHaveLength(1);
  await turn();
  expect(begun).toHaveLength(2);
  await turn();
  expect(begun).toHaveLength(3);
});

test('a known network waits for no stranger, however many came before', async () => {
  for (let index = 0; index < 100; index++) add(`stranger${index}`);
  add('known');
  await turns(2);
  expect(begun[1]).toBe('known');
});

test('strangers together have so many handshakes at once and a second, the newest first', async () => {
  for (let index = 0; index < 10; index++) add(`stranger${index}`);
  await turns(20);
  expect(begun).toEqual(['stranger0', 'stranger9', 'stranger8']);
  await clock.advance(200);
  await turns(20);
  expect(begun).toEqual(['stranger0', 'stranger9', 'stranger8', 'stranger7', 'stranger6']);
});

test('a known network that makes handshakes without end is one of the strangers after a while', async () => {
  for (let index = 0; index < 20; index++) {
    add(`hello${index}`, { network: 'known' });
    await turn();
    ends.get(`hello${index}`)?.();
  }
  // Five for which it is known, three that all strangers share.
  expect(begun).toHaveLength(8);
  add('known-and-calm');
  await turns(3);
  expect(begun.at(-1)).toBe('known-and-calm');
});

test('a network has only so many unfinished handshakes; the next begins when one of them ends', async () => {
  for (let index = 0; index < 4; index++) add(`hello${index}`, { network: 'known' });
  await turns(10);
  expect(begun).toEqual(['hello0', 'hello1']);
  ends.get('hello0')?.();
  ends.get('hello0')?.();
  await turns(10);
  expect(begun).toEqual(['hello0', 'hello1', 'hello2']);
});

test('a connection that was closed while it waited takes no turn and no token', async () => {
  let isGone = false;
  for (let index = 0; index < 6; index++) add(`gone${index}`, { isGone: () => isGone && index > 0 });
  isGone = true;
  add('stranger1');
  add('stranger2');
  await turns(10);
  expect(begun).toEqual(['gone0', 'stranger2', 'stranger1']);
});
