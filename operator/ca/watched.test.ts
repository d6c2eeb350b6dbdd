import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { readCertificates } from '#pki/pem.ts';

import { watchedCertificates } from './watched.ts';

const ROOT = { id: 'ab'.repeat(32), keyType: undefined, notBefore: 0, notAfter: 100 };

test('root, intermediates and serving certificate are watched, each with what to do', async () => {
  const intermediates = readCertificates((await TestPki.create()).rootPem);
  const watched = (replaceable: boolean, rotates = false) =>
    watchedCertificates(
      { activeRoot: { ...ROOT, replaceable }, intermediates },
      { notBefore: 1, notAfter: 2 },
      rotates ? { phase: 'Draining', reason: 'Age', from: 'x', message: '' } : undefined,
    );
  expect(watched(true).map(({ name }) => name)).toEqual([
    'the root certificate abababababab',
    expect.stringMatching(/^the intermediate certificate [0-9a-f]{12}$/),
    'the certificate of webhook and signing port',
  ]);
  expect(watched(true)[0]).toMatchObject({ notAfter: 100, isReplaced: false });
  expect(watched(true, true)[0]).toMatchObject({ isReplaced: true });
  expect(watched(true)[0]!.remedy).toContain('status.rotation');
  expect(watched(false)[0]!.remedy).toContain('does not hold its key');
  expect(watchedCertificates({ activeRoot: undefined, intermediates: [] }, undefined, undefined)).toEqual([]);
});
