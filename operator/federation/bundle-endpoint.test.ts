import type { MeshConfigStatus } from '#core/model/mesh-config.ts';
import { readSpiffeBundle } from '#pki/spiffe-bundle.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { ownBundle } from './own-bundle.ts';
import { ownBundleText } from './bundle-endpoint.ts';

const NOW = Date.UTC(2026, 0, 1);

let old: TestPki;
let next: TestPki;
beforeAll(async () => {
  old = await TestPki.create();
  next = await old.foreign();
});

const rootsOf = (...pkis: TestPki[]) =>
  pkis.map(({ rootPem: pem }, index) => ({ id: pem.slice(40, 80), pem, active: index === 0, notAfter: '' }));
const read = (status: MeshConfigStatus) => readSpiffeBundle(ownBundleText(status)!);

describe('the bundle that others fetch', () => {
  test('is not there before roots are published and counted', () => {
    expect(ownBundleText(undefined)).toBeUndefined();
    expect(ownBundleText({ roots: rootsOf(old) })).toBeUndefined();
    expect(ownBundleText({ ownBundle: { sequence: 1, id: 'a' } })).toBeUndefined();
  });

  test('has every published root, the active one and others alike', () => {
    const roots = rootsOf(old, next);
    const {
      roots: found,
      sequence,
      refreshHint,
    } = read({ roots, ownBundle: ownBundle(undefined, roots, NOW) });
    expect(found.map(String)).toEqual([old.rootPem, next.rootPem]);
    expect({ sequence, refreshHint }).toEqual({ sequence: NOW / 1000, refreshHint: 60 });
  });

  test('has the number that the leader gives it, also in a replica that hears of the roots first', () => {
    const before = ownBundle(undefined, rootsOf(old), NOW);
    const roots = rootsOf(old, next);
    const early = read({ roots, ownBundle: before }).sequence;
    const counted = read({ roots, ownBundle: ownBundle(before, roots, NOW) }).sequence;
    expect(early).toBe(counted);
    expect(counted).toBe(before.sequence + 1);
  });
});
