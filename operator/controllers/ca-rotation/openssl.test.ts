import { OpenSsl } from '#pki/testing/openssl.fake.ts';

import { BUILTIN, elsewhereAt, worldWithElsewhere } from './elsewhere.fake.ts';
import type { RotationWorld } from './rotation-world.fake.ts';

/** What OpenSSL says of every chain while a root is replaced: a second opinion, and that of every peer that is not ours. */

const openssl = new OpenSsl();
afterAll(() => openssl.remove());

let world: RotationWorld;
beforeEach(async () => {
  ({ world } = await worldWithElsewhere());
});
afterEach(() => world.base.end());

const roots = (): string => (world.status.roots ?? []).map(({ pem }) => pem).join('');

/** @returns why OpenSSL does not trust the first certificate of a chain now; empty when it does */
function fault(rootsPem: string, chainPem: string): string {
  const [leaf = '', ...rest] = chainPem.split(/(?<=-----END CERTIFICATE-----\n)/);
  openssl.file('roots.pem', rootsPem);
  openssl.file('leaf.pem', leaf);
  openssl.file('rest.pem', rest.join(''));
  const untrusted = rest.join('').trim() === '' ? [] : ['-untrusted', 'rest.pem'];
  const at = String(Math.floor(world.clock.now() / 1000));
  const command = ['verify', '-x509_strict', '-purpose', 'sslserver', '-no-CAstore', '-no-CApath'];
  const { ok, output } = openssl.try(
    ...command,
    ...['-attime', at, '-CAfile', 'roots.pem', ...untrusted, 'leaf.pem'],
  );
  return ok ? '' : output;
}

test.each([
  ['a new root of the same kind', { ca: { rotation: { request: 'june' } } }, undefined],
  ['to RSA', { ca: { keyType: 'rsa-2048' } }, undefined],
  ['to P-384', { ca: { keyType: 'ec-p384' } }, undefined],
  ['to an authority elsewhere', elsewhereAt('signs'), undefined],
  ['from there back to the builtin one', BUILTIN, elsewhereAt('signs')],
  ['from one elsewhere to another', elsewhereAt('other'), elsewhereAt('signs')],
] as const)('%s: old roots trust new certificates, and new roots old ones', async (_, spec, first) => {
  const replica = await world.replica();
  if (first) {
    await world.patch({ spec: first });
    await world.settle(() => [replica]);
  }
  const oldRoots = roots();
  const oldLeaf = await replica.sign();
  await world.patch({ spec });
  let overlaps = 0;
  let newLeaf = '';
  await world.settle(
    () => [replica],
    async () => {
      newLeaf = await replica.sign();
      expect(fault(roots(), newLeaf)).toBe('');
      if (!world.status.rotation) return;
      expect(fault(oldRoots, newLeaf)).toBe('');
      if (world.status.roots?.length !== 2) return;
      overlaps += 1;
      if (fault(oldRoots, oldLeaf) === '') expect(fault(roots(), oldLeaf)).toBe('');
    },
  );
  expect(world.status.lastRotation?.result).toBe('Completed');
  expect(overlaps).toBeGreaterThan(1);
  // The overlap has ended, and OpenSSL can say no.
  expect(fault(oldRoots, newLeaf)).toMatch(/unable to get (local )?issuer certificate|self[- ]signed/);
  expect(fault(roots(), oldLeaf)).not.toBe('');
});
