import { X509Certificate } from 'node:crypto';

import { OpenSsl } from '#pki/testing/openssl.fake.ts';
import { readCertificates } from '#pki/pem.ts';
import { validity } from '#pki/svid.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import {
  SERVING_NAMES,
  SPIFFE_ID,
  TRUST_DOMAIN,
  WHO,
  freshKey,
  opensslKey,
  servingRequest,
  workloadRequest,
} from './certificate-requests.fake.ts';
import type { CaProvider, CertificateRequest, SignedCertificate } from './provider.ts';
import { selfCheckFault } from './self-check.ts';

/** What a provider's tests tell the suite: how to make one, and how to take its authority away. */
export interface ProviderHarness {
  /** A new instance, as another replica of the operator makes it: same settings, same authority behind it. */
  provider(): CaProvider;
  /** Whether it can cross-sign. */
  readonly crossSigns: boolean;
  /** Makes the authority behind every instance unreachable, or its state unusable. */
  outage(): Promise<void> | void;
  /** Ends the outage. */
  recover(): Promise<void> | void;
  /** Keys, tokens and passwords that must show nowhere; asked at the end. */
  secrets(): readonly string[];
  /** Everything that was logged. */
  logged(): string;
  close?(): Promise<void> | void;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const CENTURY = 100 * 365 * 24 * HOUR;
/** Of an authority's clock, and of rounding to seconds. */
const SKEW = 5_000;

/**
 * What every provider must do, as tests. Certificates are looked at with openssl and with our own checks.
 *
 * @param name for people
 * @param make called once; its time may be long, such as to start a server
 */
export function describeProvider(name: string, make: () => Promise<ProviderHarness>): void {
  describe(`${name} as a certificate authority`, () => {
    let harness: ProviderHarness;
    let provider: CaProvider;
    let replicas: readonly CaProvider[];
    const started: CaProvider[] = [];
    const openssl = new OpenSsl();
    /** All that was said in errors and faults. */
    const said: string[] = [];

    const replica = async (): Promise<CaProvider> => {
      const made = harness.provider();
      started.push(made);
      await made.start();
      return made;
    };

    beforeAll(async () => {
      harness = await make();
      // All at once, where nothing is made yet.
      replicas = await Promise.all([replica(), replica(), replica()]);
      provider = replicas[0]!;
    }, 300_000);
    afterAll(async () => {
      for (const each of started) await each.stop();
      await harness.close?.();
      openssl.remove();
    });

    const bundle = async (of = provider): Promise<TrustBundle> =>
      TrustBundle.of(TRUST_DOMAIN, (await of.roots()).map(({ pem }) => pem).join(''));

    const refusal = async (work: Promise<unknown>): Promise<Error> => {
      const thrown: unknown = await work.then(
        () => undefined,
        (error: unknown) => error,
      );
      expect(thrown).toBeInstanceOf(Error);
      said.push(inspectAll(thrown));
      return thrown as Error;
    };

    /** Our own last look, which decides whether a certificate is handed out. */
    const check = async (
      request: CertificateRequest,
      signed: SignedCertificate,
      by = provider,
    ): Promise<string | undefined> =>
      selfCheckFault({
        request,
        signed,
        bundle: await bundle(by),
        trustDomain: TRUST_DOMAIN,
        now: Date.now(),
      });

    test('publishes roots that are self-signed authorities within their time, an active one first', async () => {
      const roots = await provider.roots();
      expect(roots[0]?.active).toBe(true);
      for (const { pem } of roots) {
        const [root, ...more] = readCertificates(pem);
        expect(more).toEqual([]);
        expect(root!.ca).toBe(true);
        expect(root!.checkIssued(root!) && root!.verify(root!.publicKey)).toBe(true);
        expect(validity(root!).notBefore).toBeLessThanOrEqual(Date.now() + SKEW);
        expect(validity(root!).notAfter).toBeGreaterThan(Date.now() + HOUR);
        openssl.file('root.pem', pem);
        expect(
          openssl.try('verify', '-x509_strict', '-check_ss_sig', '-CAfile', 'root.pem', 'root.pem'),
        ).toMatchObject({
          ok: true,
        });
      }
    });

    test('signs leaves that openssl trusts under the published roots, at both ends of TLS, and under no other', async () => {
      const signed = await provider.sign(await workloadRequest());
      openssl.file('roots.pem', (await bundle()).pem);
      openssl.file('other.pem', (await TestPki.create()).rootPem);
      for (const purpose of ['sslclient', 'sslserver']) {
        expect(verify(openssl, 'roots.pem', signed, purpose)).toMatchObject({ ok: true });
        expect(verify(openssl, 'other.pem', signed, purpose)).toMatchObject({ ok: false });
      }
    });

    test('signs exactly the name that was decided, for both ends of TLS, and no authority', async () => {
      const request = await workloadRequest();
      const signed = await provider.sign(request);
      expect(await check(request, signed)).toBeUndefined();
      expect(new X509Certificate(signed.leafPem).subjectAltName).toBe(`URI:${SPIFFE_ID}`);
    });

    test('takes nothing from what the asker wrote but the key', async () => {
      const requests = [
        await freshKey(SPIFFE_ID),
        await opensslKey(openssl, ['-subj', '/CN=web']),
        await opensslKey(openssl, ['-subj', '/']),
      ];
      for (const key of requests) {
        const request = await workloadRequest({}, key);
        const signed = await provider.sign(request).catch(() => undefined);
        // Refusing a request with a foreign common name is as good as passing over the name.
        if (signed) expect(await check(request, signed)).toBeUndefined();
        else expect(key).toBe(requests[1]);
      }
      const foreign = await workloadRequest({}, await freshKey(SPIFFE_ID.replace('web', 'db')));
      const signed = await provider.sign(foreign).catch(() => undefined);
      if (signed) expect(await check(foreign, signed)).toBeUndefined();
    });

    test('signs a server’s host names, for servers only', async () => {
      const request = await servingRequest();
      const signed = await provider.sign(request);
      expect(await check(request, signed)).toBeUndefined();
      openssl.file('roots.pem', (await bundle()).pem);
      expect(
        verify(openssl, 'roots.pem', signed, 'sslserver', '-verify_hostname', SERVING_NAMES[2]!),
      ).toMatchObject({
        ok: true,
      });
      expect(verify(openssl, 'roots.pem', signed, 'sslclient')).toMatchObject({ ok: false });
    });

    test.each([
      ['P-256', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256']],
      ['P-384', ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384']],
      ['Ed25519', ['-algorithm', 'ED25519']],
    ])('signs a key of kind %s', async (_kind, keyArguments) => {
      const request = await workloadRequest({}, await opensslKey(openssl, ['-subj', '/'], keyArguments));
      expect(await check(request, await provider.sign(request))).toBeUndefined();
    });

    test.each([10 * MINUTE, HOUR, 24 * HOUR, 7 * 24 * HOUR])(
      'signs for %d ms from now when asked to',
      async (ttlMs) => {
        const before = Date.now();
        const { leafPem } = await provider.sign(await workloadRequest({ ttlMs }));
        const { notBefore, notAfter } = validity(new X509Certificate(leafPem));
        expect(notBefore).toBeGreaterThanOrEqual(before - 10 * MINUTE);
        expect(notBefore).toBeLessThanOrEqual(before + SKEW);
        expect(notAfter).toBeGreaterThanOrEqual(before + ttlMs - SKEW);
        expect(notAfter).toBeLessThanOrEqual(Date.now() + ttlMs + SKEW);
      },
    );

    test('signs nothing that outlives its issuer, however long a life is asked for', async () => {
      const request = await workloadRequest({ ttlMs: CENTURY });
      const signed = await provider.sign(request).catch((error: unknown) => error as Error);
      // An authority may refuse so long a life; the sentence must then say so.
      if (signed instanceof Error) {
        said.push(inspectAll(signed));
        expect(signed.message).toMatch(/life|long|duration/);
        return;
      }
      expect(await check(request, signed)).toBeUndefined();
      const [issuer] = readCertificates(signed.intermediatesPem + (await bundle()).pem);
      expect(validity(new X509Certificate(signed.leafPem)).notAfter).toBeLessThanOrEqual(
        validity(issuer!).notAfter,
      );
    });

    test('gives serial numbers that nobody guesses and nothing repeats', async () => {
      const serials: string[] = [];
      for (let count = 0; count < 8; count += 1) {
        const { leafPem } = await provider.sign(await workloadRequest());
        serials.push(new X509Certificate(leafPem).serialNumber);
      }
      for (const serial of serials) expect(serial.length).toBeGreaterThanOrEqual(16);
      expect(new Set(serials.map((serial) => serial.slice(0, 8))).size).toBe(serials.length);
      expect(new Set(serials.map((serial) => serial.slice(-8))).size).toBe(serials.length);
    });

    test('agrees on the root when replicas start at once or later, and each signs for all', async () => {
      for (const one of [...replicas, await replica()]) {
        expect((await bundle(one)).pem).toBe((await bundle()).pem);
        const request = await workloadRequest();
        expect(await check(request, await one.sign(request))).toBeUndefined();
      }
    });

    test('signs many at once', async () => {
      const requests = await Promise.all(Array.from({ length: 16 }, () => workloadRequest()));
      const signed = await Promise.all(requests.map((request) => provider.sign(request)));
      for (const [index, request] of requests.entries()) {
        expect(await check(request, signed[index]!)).toBeUndefined();
      }
    });

    test('is well while it can sign, and says in a sentence when it is not started', async () => {
      expect(await provider.fault()).toBeUndefined();
      const fresh = harness.provider();
      expectSentence(await fresh.fault(), said);
      await refusal(fresh.sign(await workloadRequest()));
      await fresh.stop();
    });

    test('gives up when told to', async () => {
      const gone = AbortSignal.abort(new Error('told to end'));
      const fresh = harness.provider();
      expect((await refusal(fresh.start(gone))).message).toContain('told to end');
      await fresh.stop();
      await harness.outage();
      const waiting = harness.provider();
      const starting = waiting.start().catch((error: unknown) => void said.push(inspectAll(error)));
      await waiting.stop();
      await starting;
      await harness.recover();
      expect((await refusal(provider.sign(await workloadRequest(), gone))).message).toContain('told to end');
    });

    test('says in a sentence that its authority is away, shows no secret then, and signs again afterwards', async () => {
      await harness.outage();
      try {
        expectSentence(await provider.fault(), said);
        const fresh = harness.provider();
        started.push(fresh);
        await refusal(fresh.check(AbortSignal.timeout(10_000)));
        await provider.sign(await workloadRequest()).catch((error: unknown) => said.push(inspectAll(error)));
      } finally {
        await harness.recover();
      }
      expect(await provider.fault()).toBeUndefined();
      const request = await workloadRequest();
      expect(await check(request, await provider.sign(request))).toBeUndefined();
    });

    test('cross-signs a new root where it says that it can, so that those who trust the old one trust its leaves too', async () => {
      expect(provider.crossSign !== undefined).toBe(harness.crossSigns);
      if (!provider.crossSign) return;
      const next = await TestPki.create({ trustDomain: TRUST_DOMAIN });
      const crossPem = await provider.crossSign(next.rootPem);
      if (crossPem === undefined) throw new Error('it did not');
      const crosses = readCertificates(crossPem);
      expect(crosses.every(({ ca }) => ca)).toBe(true);
      const leafPem = (await next.leaf(WHO)).certChainPem;
      const old = await bundle();
      openssl.file('old.pem', old.pem);
      openssl.file('new.pem', next.rootPem);
      const withCross = { leafPem, intermediatesPem: crossPem };
      const alone = { leafPem, intermediatesPem: '' };
      expect(verify(openssl, 'old.pem', withCross, 'sslclient')).toMatchObject({ ok: true });
      expect(verify(openssl, 'old.pem', alone, 'sslclient')).toMatchObject({ ok: false });
      expect(verify(openssl, 'new.pem', withCross, 'sslclient')).toMatchObject({ ok: true });
      expect(verify(openssl, 'new.pem', alone, 'sslclient')).toMatchObject({ ok: true });
      const leaf = new X509Certificate(leafPem);
      const now = Date.now();
      expect(old.fault(leaf, TRUST_DOMAIN, { now, intermediates: crosses })).toBeUndefined();
      expect(old.fault(leaf, TRUST_DOMAIN, { now })).toContain('no valid path');
      expect(next.bundle.fault(leaf, TRUST_DOMAIN, { now, intermediates: crosses })).toBeUndefined();
    });

    test('says beforehand whether it would start', async () => {
      const fresh = harness.provider();
      started.push(fresh);
      await fresh.check(AbortSignal.timeout(10_000));
    });

    test('cross-signs nothing that is not a root', async () => {
      if (!provider.crossSign) return;
      const leaf = await (await TestPki.create()).leaf(WHO);
      await refusal(provider.crossSign(leaf.certChainPem));
      await refusal(provider.crossSign('rubbish'));
    });

    test('works no more once stopped, and may be stopped twice', async () => {
      const ending = await replica();
      await ending.stop();
      await ending.stop();
      await refusal(ending.sign(await workloadRequest()));
      expectSentence(await ending.fault(), said);
    });

    test('shows no key, token or password in anything it said', () => {
      const all = said.join('\n') + harness.logged();
      expect(all.length).toBeGreaterThan(100);
      expect(all).not.toContain('PRIVATE KEY');
      const secrets = harness.secrets();
      expect(secrets.length).toBeGreaterThan(0);
      for (const secret of secrets) {
        for (const line of secret
          .split('\n')
          .filter((text) => text.length > 8 && !text.startsWith('-----'))) {
          expect(all.includes(line)).toBe(false);
        }
      }
    });
  });
}

function verify(
  openssl: OpenSsl,
  roots: string,
  { leafPem, intermediatesPem }: SignedCertificate,
  purpose: string,
  ...more: readonly string[]
): { readonly ok: boolean; readonly output: string } {
  openssl.file('leaf.pem', leafPem);
  openssl.file('between.pem', intermediatesPem);
  const untrusted = intermediatesPem === '' ? [] : ['-untrusted', 'between.pem'];
  const options = ['-x509_strict', '-no-CApath', '-no-CAstore', '-purpose', purpose, ...more];
  return openssl.try('verify', ...options, '-CAfile', roots, ...untrusted, 'leaf.pem');
}

function expectSentence(fault: string | undefined, said: string[]): void {
  expect(fault).toMatch(/^\S+ \S+ .*\S$/);
  expect(fault).not.toMatch(/undefined|\[object|\n/);
  said.push(fault ?? '');
}

/** Every word of an error: what a log or a crash would show of it, causes too. */
function inspectAll(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = JSON.stringify(error, Object.getOwnPropertyNames(error));
  return `${String(error)} ${own} ${error.cause === undefined ? '' : inspectAll(error.cause)}`;
}
