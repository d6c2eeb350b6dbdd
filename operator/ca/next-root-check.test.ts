import { CREDENTIALS_SECRET } from '#core/model/ca-providers.ts';
import type { AuthorityChoice } from '#core/model/ca-settings.ts';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { generateAuthorityKeys, generateKeys, privateKeyPem, spkiDer } from '#pki/keys.ts';
import { issueCrossSigned, issueRoot, issueServing, readSigner } from '#pki/profile.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { TRUST_DOMAIN } from './certificate-requests.fake.ts';
import { rootSlots } from './root-slots.ts';
import { secretOf } from './secret.fake.ts';
import { StoreApi } from './store-api.fake.ts';

const NOW = systemClock.now();
const DAY = 86_400_000;

let store: StoreApi;
beforeEach(() => {
  store = new StoreApi();
});

const BUILTIN: AuthorityChoice = { provider: 'builtin' };

/** Why a rotation to that authority would fail; undefined when it would not. */
async function fault(choice: AuthorityChoice): Promise<string | undefined> {
  const slots = rootSlots({
    ...{ api: store.api, clock: systemClock, log: silentLog, namespace: 'mesh', owner: undefined },
    ...{ trustDomain: TRUST_DOMAIN, servingNames: ['mesh-operator.mesh.svc'] },
    newRoot: () => ({ keyType: 'ec-p256', rootTtlMs: DAY }),
  });
  const provider = slots.next(choice, false);
  try {
    await provider.check(AbortSignal.timeout(3_500));
    return undefined;
  } catch (error) {
    return (error as Error).message;
  } finally {
    await provider.stop();
  }
}

/** A root of the trust domain, and what it signed. */
async function root(now = NOW, ttlMs = 10 * DAY) {
  const keys = await generateAuthorityKeys('ec-p256');
  const certificate = await issueRoot(keys, TRUST_DOMAIN, now, ttlMs);
  const key = privateKeyPem(keys.privateKey);
  return { certificate, key, keys, signer: await readSigner(certificate, key) };
}

async function leaf(): Promise<{ certificate: string; key: string }> {
  const { signer } = await root();
  const keys = await generateKeys();
  const spki = spkiDer(keys.publicKey);
  const certificate = await issueServing(signer, { now: NOW, ttlMs: DAY, spki, dnsNames: ['x.test'] });
  return { certificate, key: privateKeyPem(keys.privateKey) };
}

describe('the next root that somebody has put there', () => {
  const put = (fields: Record<string, string>): void =>
    store.put('secrets', secretOf('mesh', 'mesh-ca-next', fields));

  test('nothing there: one will be made', async () => {
    expect(await fault(BUILTIN)).toBeUndefined();
  });

  test('a right one', async () => {
    const { certificate, key } = await root();
    put({ 'root.crt': certificate, 'root.key': key });
    expect(await fault(BUILTIN)).toBeUndefined();
  });

  test('a right intermediate under an offline root of any name', async () => {
    const offline = await root();
    const own = await root();
    const between = await issueCrossSigned(offline.signer, own.certificate, NOW);
    put({ 'root.crt': offline.certificate, 'intermediate.crt': between, 'intermediate.key': own.key });
    expect(await fault(BUILTIN)).toBeUndefined();
  });

  const cases: readonly [string, () => Promise<Record<string, string>>, RegExp][] = [
    [
      'a key that belongs to another certificate',
      async () => ({ 'root.crt': (await root()).certificate, 'root.key': (await root()).key }),
      /does not belong to the key/,
    ],
    [
      'a certificate that is not an authority',
      async () => {
        const { certificate, key } = await leaf();
        return { 'root.crt': certificate, 'root.key': key };
      },
      /CA:TRUE is missing/,
    ],
    [
      'a root that has ended',
      async () => {
        const { certificate, key } = await root(NOW - 20 * DAY);
        return { 'root.crt': certificate, 'root.key': key };
      },
      /root\.crt ended on/,
    ],
    [
      'a root of another trust domain',
      async () => {
        const pki = await TestPki.create({ trustDomain: 'other.example' });
        return { 'root.crt': pki.rootPem, 'root.key': pki.rootKeyPem };
      },
      /is for "URI:spiffe:\/\/other.example", but the mesh's trust domain is cluster.local/,
    ],
    ['no key', async () => ({ 'root.crt': (await root()).certificate }), /its field root\.key is missing/],
    [
      'rubbish for a key',
      async () => ({ 'root.crt': (await root()).certificate, 'root.key': 'top secret' }),
      /key/,
    ],
    [
      'an intermediate of another root',
      async () => {
        const [offline, stranger, own] = [await root(), await root(), await root()];
        const between = await issueCrossSigned(stranger.signer, own.certificate, NOW);
        return { 'root.crt': offline.certificate, 'intermediate.crt': between, 'intermediate.key': own.key };
      },
      /intermediate\.crt does not lead to root\.crt/,
    ],
    [
      'the offline root’s key, which does not belong here',
      async () => {
        const [offline, own] = [await root(), await root()];
        const between = await issueCrossSigned(offline.signer, own.certificate, NOW);
        const fields = { 'root.crt': offline.certificate, 'root.key': offline.key };
        return { ...fields, 'intermediate.crt': between, 'intermediate.key': own.key };
      },
      /remove root\.key, and keep that key elsewhere/,
    ],
  ];
  test.each(cases)('%s is refused with the reason, and no key is repeated', async (_what, fields, reason) => {
    const given = await fields();
    put(given);
    const message = await fault(BUILTIN);
    expect(message).toMatch(reason);
    expect(message).toContain('Put it right, or delete it');
    for (const name of ['root.key', 'intermediate.key'])
      for (const line of (given[name] ?? '')
        .split('\n')
        .filter((text) => text.length > 8 && !text.startsWith('-')))
        expect(message).not.toContain(line);
  });
});

test('an authority elsewhere that does not answer is a fault that does not repeat its credentials', async () => {
  store.put('secrets', secretOf('mesh', CREDENTIALS_SECRET.vault, { token: 'hvs.secret' }));
  const config = { address: 'https://127.0.0.1:1', intermediatePath: 'pki' };
  const message = await fault({ provider: 'vault', config });
  expect(message).toMatch(/127\.0\.0\.1|reach/);
  expect(message).not.toContain('hvs.');
});
