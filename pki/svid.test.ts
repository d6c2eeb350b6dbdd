import { inspect } from 'node:util';

import { readPrivateKey } from './keys.ts';
import { pemBlocks, readCertificates, toPem } from './pem.ts';
import { readSvid } from './svid.ts';
import { TestPki } from './testing/test-pki.fake.ts';

const WEB = { namespace: 'shop', service: 'web' };

describe('an identity', () => {
  test('tells its name and its time', async () => {
    const pki = await TestPki.create();
    const notBefore = Date.parse('2026-01-01T00:00:00Z');
    const svid = await pki.svid(WEB, { notBefore, notAfter: notBefore + 60_000 });
    expect(svid).toMatchObject({ spiffeId: pki.spiffeId(WEB), notBefore, notAfter: notBefore + 60_000 });
    expect(svid.serial).toMatch(/^[0-9A-F]+$/);
  });

  test('does not show its key when it is printed', async () => {
    const svid = await (await TestPki.create()).svid(WEB);
    expect(svid.keyPem).toContain('PRIVATE KEY');
    expect(JSON.stringify({ svid })).not.toContain('PRIVATE KEY');
    expect(inspect({ svid }, { depth: 5 })).not.toContain('PRIVATE KEY');
  });

  test('is refused when certificate and key are of different pairs, or the certificate names no workload', async () => {
    const pki = await TestPki.create();
    const [one, other] = await Promise.all([pki.leaf(WEB), pki.leaf(WEB)]);
    expect(() => readSvid({ certChainPem: one.certChainPem, keyPem: other.keyPem })).toThrow(
      'does not belong',
    );
    expect(() => readSvid({ certChainPem: '', keyPem: one.keyPem })).toThrow('empty');
    await expect(pki.svid(WEB, { uri: null })).rejects.toThrow('not an SVID');
    expect(() => readPrivateKey('secret text')).toThrow(/^(?!.*secret text)/);
  });
});

describe('PEM text', () => {
  test('is taken with CRLF line ends and blank lines between blocks', async () => {
    const { rootPem } = await TestPki.create();
    const twice = `\r\n${rootPem.replaceAll('\n', '\r\n')}\r\n${rootPem}`;
    expect(readCertificates(twice)).toHaveLength(2);
  });

  test.each([
    ['text around the blocks', 'hello\n'],
    ['another kind of block', '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'],
    ['a certificate that is none', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'],
    ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['a block that does not end', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
  ])('is refused with %s', async (_what, extra) => {
    const { rootPem } = await TestPki.create();
    expect(() => readCertificates(rootPem + extra)).toThrow(RangeError);
  });

  test('is refused with bytes after the end of a certificate', async () => {
    const [root] = pemBlocks('CERTIFICATE', (await TestPki.create()).rootPem);
    expect(() => readCertificates(toPem('CERTIFICATE', Buffer.concat([root!, Buffer.from([5, 0])])))).toThrow(
      RangeError,
    );
  });

  test('is refused when it is too long to be one', () => {
    expect(() => pemBlocks('CERTIFICATE', ' '.repeat(2_000_000))).toThrow('more than');
  });
});
