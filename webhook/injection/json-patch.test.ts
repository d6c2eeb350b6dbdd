import fc from 'fast-check';

import { patched } from './apply.fake.ts';
import { PatchBuilder, jsonPointer } from './json-patch.ts';

function built(document: object, change: (patch: PatchBuilder) => void): unknown {
  const patch = new PatchBuilder(document);
  change(patch);
  return patched(document, patch.operations);
}

describe('a patch', () => {
  test('escapes what a pointer would misread', () => {
    expect(jsonPointer(['metadata', 'annotations', 'a/b~c', 0])).toBe('/metadata/annotations/a~1b~0c/0');
  });

  test('creates what is missing on the way, once', () => {
    expect(
      built({}, (patch) => {
        patch.set(['a', 'b', 'c'], 1);
        patch.set(['a', 'b', 'd'], 2);
      }),
    ).toEqual({ a: { b: { c: 1, d: 2 } } });
  });

  test('takes null for missing', () => {
    expect(
      built({ a: null, l: null }, (patch) => {
        patch.set(['a', 'b'], 1);
        patch.insert(['l'], [1, 2], 'first');
      }),
    ).toEqual({ a: { b: 1 }, l: [1, 2] });
  });

  test('says nothing where the value is there already', () => {
    const patch = new PatchBuilder({ a: { b: [1] } });
    patch.set(['a', 'b'], [1]);
    expect(patch.operations).toEqual([]);
  });

  test('fails as a whole on another document', () => {
    const patch = new PatchBuilder({ a: 1 });
    patch.test(['a'], 1);
    patch.set(['a'], 2);
    expect(patched({ a: 1 }, patch.operations)).toEqual({ a: 2 });
    expect(() => patched({ a: 3 }, patch.operations)).toThrow();
  });

  test('puts items in order, before or behind what is there', () => {
    const list = fc.array(fc.nat(9), { maxLength: 4 });
    fc.assert(
      fc.property(list, list, fc.constantFrom('first' as const, 'last' as const), (before, items, where) => {
        const after = where === 'first' ? [...items, ...before] : [...before, ...items];
        expect(built({ before }, (patch) => patch.insert(['before'], items, where))).toEqual({
          before: after,
        });
      }),
    );
  });

  test('sets any member of any object', () => {
    const key = fc.string({ minLength: 1 }).filter((text) => text !== '__proto__');
    fc.assert(
      fc.property(fc.dictionary(key, fc.string()), key, fc.string(), (map, name, value) => {
        expect(built({ map }, (patch) => patch.set(['map', name], value))).toEqual({
          map: { ...map, [name]: value },
        });
      }),
    );
  });
});
