import { EventEmitter } from 'node:events';

import { systemClock } from '#base/clock.ts';

import { originOf } from '../pending/origin.ts';
import { HandshakeQueue } from './handshake-queue.ts';

class FakeSocket extends EventEmitter {
  destroyed = false;

  close(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

interface World {
  readonly queue: HandshakeQueue;
  readonly begun: string[];
  readonly wait: (address: string, deadline?: number) => FakeSocket;
  room: boolean;
}

function setUp(known: readonly string[] = []): World {
  const world: World = {
    queue: new HandshakeQueue({
      clock: systemClock,
      hasRoom: () => world.room,
      isKnown: (address) => known.includes(address),
    }),
    begun: [],
    wait: (address, deadline = Infinity) => {
      const socket = new FakeSocket();
      void world.queue.turn(originOf(address), socket, deadline).then((begins) => {
        world.begun.push(begins ? address : `not ${address}`);
      });
      return socket;
    },
    room: true,
  };
  return world;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
async function turns(count: number): Promise<void> {
  for (let index = 0; index < count; index++) await turn();
}

test('one handshake begins in a turn of the event loop', async () => {
  const { wait, begun } = setUp();
  for (const network of ['a', 'b', 'c', 'd']) wait(network);
  await Promise.resolve();
  expect(begun).toEqual(['a']);
  await turns(2);
  expect(begun).toEqual(['a', 'b', 'c']);
});

test('a network that begins many comes after one that begins few, and does not wait for ever', async () => {
  const { wait, begun } = setUp();
  for (let index = 0; index < 40; index++) wait('many');
  await turns(20);
  for (let index = 0; index < 3; index++) wait('few');
  await turns(3);
  expect(begun.slice(-3)).toEqual(['few', 'few', 'few']);
  await turns(40);
  expect(begun).toHaveLength(43);
});

test('an address whose peers were let in comes before strangers, unless it begins many itself', async () => {
  const { wait, begun } = setUp(['known']);
  for (let index = 0; index < 30; index++) wait(`stranger ${index}`);
  for (let index = 0; index < 30; index++) wait('known');
  await turns(20);
  expect(begun.slice(1, 9)).toEqual(Array<string>(8).fill('known'));
  expect(begun.slice(9).join()).toMatch('stranger');
});

test('an address that begins few comes before another of its /64 that begins many, known or not', async () => {
  const { wait, begun } = setUp(['fd00::1']);
  for (let index = 0; index < 60; index++) wait('fd00::66');
  await turns(20);
  wait('fd00::2');
  wait('fd00::1');
  await turns(3);
  expect(begun.slice(-3).slice(0, 2)).toEqual(['fd00::1', 'fd00::2']);
});

test('a stranger counts for its /64: who comes from another is first', async () => {
  const { wait, begun } = setUp();
  for (let index = 0; index < 40; index++) wait(`fd00::${index}`);
  await turns(20);
  wait('fd00:0:0:1::1');
  await turns(2);
  expect(begun.slice(-2)).toContain('fd00:0:0:1::1');
});

test('while connections are being accepted handshakes begin in fewer turns', async () => {
  const { wait, begun, queue } = setUp();
  for (let index = 0; index < 100; index++) wait(`network ${index}`);
  for (let index = 0; index < 80; index++) {
    queue.arrived();
    await turn();
  }
  expect(begun.length).toBeGreaterThan(5);
  expect(begun.length).toBeLessThan(20);
});

test('what was closed, or is of no use any more, does not begin', async () => {
  const { wait, begun } = setUp();
  wait('first');
  const closed = wait('closed');
  wait('late', Date.now() - 1);
  wait('last');
  closed.close();
  await turns(4);
  expect(begun.sort()).toEqual(['first', 'last', 'not closed', 'not late']);
  const socket = wait('never');
  expect(socket.listenerCount('close')).toBeLessThanOrEqual(1);
  await turns(2);
  expect(socket.listenerCount('close')).toBe(0);
});

test('where there is no room nobody begins, and somebody does soon after there is', async () => {
  const world = setUp();
  world.room = false;
  world.wait('a');
  await turns(5);
  expect(world.begun).toEqual([]);
  world.room = true;
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(world.begun).toEqual(['a']);
});
