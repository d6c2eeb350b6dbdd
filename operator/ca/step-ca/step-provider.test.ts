import type { StepCaSettings } from '#core/model/ca-providers.ts';
import { systemClock } from '#base/clock.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { generateKeys, privateKeyPem, readPrivateKey } from '#pki/keys.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

import { Credentials } from '../credentials.ts';
import { docsBlocks } from '../docs.fake.ts';
import { skipReason, STEP_CA } from '../go-programs.fake.ts';
import { SERVING_NAMES, TRUST_DOMAIN, workloadRequest } from '../certificate-requests.fake.ts';
import { CaStateError } from '../provider.ts';
import { secretOf } from '../secret.fake.ts';
import { StoreApi } from '../store-api.fake.ts';
import { StepCaProvider } from './step-provider.ts';
import { StepCaServer } from './step-server.fake.ts';

const reason = skipReason(STEP_CA);
const describeHere = reason ? describe.skip : describe;

describeHere(`step-ca${reason ? ` (skipped: ${reason})` : ''}`, () => {
  const servers: StepCaServer[] = [];
  const providers: StepCaProvider[] = [];
  let server: StepCaServer;

  const serverWith = async (template: string | undefined, claims?: object): Promise<StepCaServer> => {
    const made = await StepCaServer.start(template, claims);
    servers.push(made);
    return made;
  };
  beforeAll(async () => {
    server = await serverWith(docsBlocks('text')[0]);
  }, 120_000);
  afterAll(async () => {
    for (const each of providers) await each.stop();
    for (const each of servers) await each.remove();
  });

  const provider = (
    of: StepCaServer,
    settings: Partial<StepCaSettings> = {},
    secret?: Record<string, string>,
  ): StepCaProvider => {
    const store = new StoreApi();
    const texts = secret ?? { 'provisioner-key': of.provisionerKeyPem };
    store.put('secrets', secretOf('mesh', 'mesh-ca-step', texts));
    const made = new StepCaProvider({
      settings: of.settings(settings),
      credentials: new Credentials({ api: store.api, namespace: 'mesh', name: 'mesh-ca-step' }),
      trustDomain: TRUST_DOMAIN,
      servingNames: SERVING_NAMES,
      clock: systemClock,
      log: new FakeLog(),
    });
    providers.push(made);
    return made;
  };

  test('takes the key as a JWK too', async () => {
    const jwk = readPrivateKey(server.provisionerKeyPem).privateKey.export({ format: 'jwk' });
    const using = provider(server, {}, { 'provisioner-key': JSON.stringify(jwk) });
    await using.start();
    expect((await using.sign(await workloadRequest())).leafPem).toContain('BEGIN CERTIFICATE');
  });

  test.each<[string, Partial<StepCaSettings>, (key: string) => Promise<Record<string, string>>, string]>([
    [
      'a provisioner is not there',
      { provisioner: 'other' },
      async (key) => ({ 'provisioner-key': key }),
      'has no JWK provisioner other',
    ],
    [
      'the key is another',
      {},
      async () => ({ 'provisioner-key': privateKeyPem((await generateKeys()).privateKey) }),
      'another key than that of provisioner mesh',
    ],
    [
      'the key cannot be read',
      {},
      async (key) => ({ 'provisioner-key': key.slice(0, 100) }),
      'cannot be read',
    ],
    ['the key is missing', {}, async (key) => ({ key }), 'lacks provisioner-key'],
  ])('does not start when %s, and does not show the key', async (_what, settings, secret, message) => {
    const error: unknown = await provider(server, settings, await secret(server.provisionerKeyPem))
      .start()
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(CaStateError);
    expect((error as Error).message).toContain(message);
    for (const line of server.provisionerKeyPem.split('\n').slice(1, -2))
      expect(String((error as Error).stack)).not.toContain(line);
  });

  test('does not start with step-ca’s own template, which makes a server’s certificate good for clients', async () => {
    await expect(provider(await serverWith(undefined)).start()).rejects.toThrow(
      'its extended key usage is 1.3.6.1.5.5.7.3.1 1.3.6.1.5.5.7.3.2. Is the provisioner’s template the one of the documentation?',
    );
  });

  test('says that a life is longer than the provisioner allows', async () => {
    const using = provider(
      await serverWith(docsBlocks('text')[0], {
        maxTLSCertDuration: '1h',
        defaultTLSCertDuration: '1h',
      }),
    );
    await using.start();
    await expect(using.sign(await workloadRequest({ ttlMs: 2 * 3600_000 }))).rejects.toThrow('duration');
    expect((await using.sign(await workloadRequest({ ttlMs: 1800_000 }))).leafPem).toContain('BEGIN');
  });

  test.each<[string, () => Promise<Partial<StepCaSettings>>, RegExp]>([
    [
      'whose certificate another authority signed',
      async () => ({ caCertificate: (await TestPki.create()).rootPem }),
      /self.signed|unable to/,
    ],
    ['whose certificate has another name', async () => ({ tlsServerName: 'other.test' }), /other\.test/],
    ['that is not there', async () => ({ address: 'https://127.0.0.1:1' }), /ECONNREFUSED/],
  ])('is waited for, and said to be unreachable, when it is one %s', async (_what, settings, message) => {
    const giveUp = new AbortController();
    const log = new FakeLog();
    const store = new StoreApi();
    const waiting = new StepCaProvider({
      settings: server.settings(await settings()),
      credentials: new Credentials({ api: store.api, namespace: 'mesh', name: 'mesh-ca-step' }),
      trustDomain: TRUST_DOMAIN,
      servingNames: SERVING_NAMES,
      clock: systemClock,
      log: Object.assign(log, {
        warn: (fields: object, text: string) => (
          log.lines.push({ level: 'warn', message: text, fields: { ...fields } }),
          giveUp.abort(new Error('enough'))
        ),
      }),
    });
    await expect(waiting.start(giveUp.signal)).rejects.toThrow('enough');
    expect(log.lines.map(({ fields }) => String(fields['err'])).join()).toMatch(message);
    // The Secret was not even asked for: nobody unknown gets to see what is made with it.
    expect(store.calls).toEqual([]);
    await waiting.stop();
  });
});
