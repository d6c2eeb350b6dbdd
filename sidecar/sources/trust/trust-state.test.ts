import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { meshConfigOf } from './trust.fake.ts';
import { readTrust, sameTrust } from './trust-state.ts';

test('without an object, without roots or with unreadable settings there is nothing to trust', async () => {
  const pki = await TestPki.create();
  expect(readTrust(undefined)).toMatchObject({ faults: [expect.stringContaining('no MeshConfig')] });
  expect(readTrust({ metadata: { name: 'mesh' } }).state).toBeUndefined();
  const config = meshConfigOf([pki]);
  expect(readTrust({ ...config, spec: { leafTTL: 'soon' } }).state).toBeUndefined();
  expect(readTrust({ ...config, spec: { trustDomain: 'UPPER' } }).state).toBeUndefined();
});

test('a field of a newer version takes no trust away', async () => {
  const config = meshConfigOf([await TestPki.create()]);
  expect(readTrust({ ...config, spec: { ...config.spec, newField: 1 } as never }).state).toBeDefined();
});

test('a broken root or federated bundle takes nothing else away', async () => {
  const config = meshConfigOf([await TestPki.create()]);
  const broken = { id: 'ff', pem: 'nonsense', active: false, notAfter: '' };
  const reading = readTrust({
    ...config,
    spec: { ...config.spec, federation: [{ trustDomain: 'partner.example', bundle: 'nonsense' }] },
    status: { roots: [broken, ...(config.status?.roots ?? [])] },
  });
  expect(reading.state?.bundle.rootsOfAllDomains).toHaveLength(1);
  expect(reading.faults).toHaveLength(2);
});

test('the active roots are known apart from all that are trusted', async () => {
  const [old, next] = [await TestPki.create(), await TestPki.create()];
  const before = readTrust(meshConfigOf([old, next], old)).state!;
  const after = readTrust(meshConfigOf([old, next], next)).state!;
  expect(before.bundle.equals(after.bundle)).toBe(true);
  expect(sameTrust(before, after)).toBe(false);
  expect(sameTrust(before, readTrust(meshConfigOf([old, next], old)).state!)).toBe(true);
});
