import fc from 'fast-check';

import { ItemRoom } from './item-limits.ts';

const text = (bytes: number): string => 'x'.repeat(bytes - 2);

describe('the room for objects', () => {
  test('has a number of places in all, and a place that is given back is there again', () => {
    const room = new ItemRoom({ total: 2 });
    expect(['a', 'b', 'c'].map((key) => room.take(key, {}))).toEqual([true, true, false]);
    expect(room.take('a', {})).toBe(true);
    room.give('b');
    room.give('never-there');
    expect([room.take('c', {}), room.take('b', {})]).toEqual([true, false]);
  });

  test('has so many bytes for each namespace, whatever others take', () => {
    const room = new ItemRoom({ namespaceBytes: 100 });
    expect(room.take('shop/a', text(60))).toBe(true);
    expect(room.take('shop/b', text(60))).toBe(false);
    expect(room.take('other/a', text(100))).toBe(true);
    expect(room.take('shop/a', text(30))).toBe(true);
    expect(room.take('shop/b', text(60))).toBe(true);
  });

  test('takes the place from an object that grew out of it', () => {
    const room = new ItemRoom({ namespaceBytes: 100 });
    expect([room.take('shop/a', text(50)), room.take('shop/a', text(200))]).toEqual([true, false]);
    expect(room.take('shop/b', text(100))).toBe(true);
  });

  test('without limits is endless', () => {
    const room = new ItemRoom({});
    for (let index = 0; index < 1_000; index++) expect(room.take(`shop/${index}`, text(1_000))).toBe(true);
  });

  test('never holds more than the limits, whatever comes and goes', () => {
    const step = fc.record({
      key: fc.constantFrom('a/1', 'a/2', 'a/3', 'b/1'),
      bytes: fc.integer({ min: 2, max: 80 }),
      leaves: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const room = new ItemRoom({ total: 3, namespaceBytes: 100 });
        const held = new Map<string, number>();
        for (const { key, bytes, leaves } of steps) {
          if (leaves) room.give(key);
          if (!leaves && room.take(key, text(bytes))) held.set(key, bytes);
          else held.delete(key);
          const within = (namespace: string): number =>
            [...held].filter(([one]) => one.startsWith(namespace)).reduce((sum, [, size]) => sum + size, 0);
          expect(held.size).toBeLessThanOrEqual(3);
          expect(Math.max(within('a/'), within('b/'))).toBeLessThanOrEqual(100);
        }
      }),
    );
  });
});
