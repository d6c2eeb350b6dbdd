import { ConnectionTable } from './connection-table.ts';
import type { Connection } from './connection-table.ts';

const LIMITS = { total: 6, perNetwork: 4 };
const closed: string[] = [];
let table: ConnectionTable;
beforeEach(() => {
  closed.length = 0;
  table = new ConnectionTable(LIMITS);
});

afterEach(() => turns());

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const turns = async (count = 4): Promise<void> => {
  for (let index = 0; index < count; index++) await turn();
};
const add = (network: string, name = network): Connection | undefined =>
  table.add({ network, isKnown: network.startsWith('known') }, (limit) => closed.push(`${name} (${limit})`));
const sure = (connection: Connection | undefined): Connection => {
  if (!connection) throw new Error('there was no room');
  return connection;
};

test('up to the limits every connection stays', async () => {
  for (const network of ['a', 'b', 'c', 'd', 'e', 'f']) add(network);
  await turns();
  expect([closed, table.size]).toEqual([[], 6]);
});

test('a newcomer gets a place: the oldest of the network that has most is closed', async () => {
  for (const name of ['a', 'b1', 'b2', 'b3', 'c', 'd']) add(name[0]!, name);
  await turns();
  add('e');
  await turns();
  expect(closed).toEqual(['b1 (total)']);
});

test('a network that has more than its share loses its own oldest, and no other loses any', async () => {
  for (let index = 0; index < 9; index++) add('flood', `flood${index}`);
  add('quiet');
  await turns();
  expect(closed).toEqual([0, 1, 2, 3, 4].map((index) => `flood${index} (network)`));
  expect(table.size).toBe(5);
});

test('a connection is not closed before it had a turn of the event loop to be heard', async () => {
  for (let index = 0; index < 5; index++) add(`early${index}`);
  await turns();
  for (let index = 0; index < 5; index++) add(`late${index}`);
  expect(closed).toEqual([]);
  await turns();
  expect(closed.map((name) => name.slice(0, 5))).toEqual(Array.from({ length: 4 }, () => 'early'));
});

test('beyond twice the limit even those that just came are closed', () => {
  for (let index = 0; index < 100; index++) add(`n${index}`);
  expect(table.size).toBe(12);
});

test('what has proven itself stays while there is any that has not, however old it is', async () => {
  const old = sure(add('kept'));
  old.prove();
  await turns();
  for (let index = 0; index < 50; index++) {
    add(`stranger${index}`);
    await turns(2);
  }
  expect(closed).not.toContain('kept (total)');
  expect(closed).toHaveLength(45);
});

test('a known network keeps its connections while there are others, also the one that has not proven itself yet', async () => {
  sure(add('known', 'known1')).prove();
  sure(add('known', 'known2')).prove();
  add('known', 'known3');
  await turns();
  for (let index = 0; index < 50; index++) {
    add(`stranger${index}`);
    await turns(2);
  }
  expect(closed.filter((name) => name.startsWith('known'))).toEqual([]);
});

test('what a network has proven does not make its newest connection the one that is closed', async () => {
  for (let index = 0; index < 3; index++) sure(add('server', `kept${index}`)).prove();
  for (let index = 0; index < 3; index++) add(`stranger${index}`);
  await turns();
  add('server', 'new');
  await turns();
  expect(closed).toEqual(['stranger0 (total)']);
});

test('where all have proven themselves, the one that is idle for longest is closed', async () => {
  const [a, b, ...others] = ['a', 'b', 'c', 'd', 'e', 'f'].map((name) => sure(add(name)));
  for (const one of [a!, b!, ...others]) one.prove();
  a!.begin();
  await turns();
  a!.end();
  const late = sure(add('late'));
  late.prove();
  await turns();
  expect(closed).toEqual(['b (total)']);
});

test('a connection whose request is being answered is not closed; a newcomer waits for the first that ends, and is refused beyond twice the limit', async () => {
  const working = Array.from({ length: 6 }, (_, index) => sure(add(`w${index}`)));
  for (const one of working) one.begin();
  await turns();
  for (let index = 0; index < 6; index++) sure(add(`x${index}`)).begin();
  expect(add('y')).toBeUndefined();
  await turns();
  expect(closed).toEqual([]);
  working[2]!.end();
  await turns();
  expect(closed).toEqual(['w2 (total)']);
});

test('a connection that is released makes room, and releasing it again changes nothing', async () => {
  const first = sure(add('a'));
  for (const network of ['b', 'c', 'd', 'e', 'f']) add(network);
  first.release();
  first.release();
  add('g');
  await turns();
  expect([closed, table.size]).toEqual([[], 6]);
});
