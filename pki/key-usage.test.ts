import { KEY_USAGE, keyUsageBits } from './key-usage.ts';
import { readCertificates } from './pem.ts';
import { TestPki } from './test-pki.fake.ts';

describe('the key usage of a certificate', () => {
  const bits = (pem: string): number => keyUsageBits(readCertificates(pem)[0]!.raw);

  it('lets a root sign certificates, and a leaf only itself', async () => {
    const pki = await TestPki.create();
    const { certChainPem } = await pki.leaf({ namespace: 'shop', service: 'web' });
    const { digitalSignature, keyCertSign, cRLSign } = KEY_USAGE;
    expect(bits(pki.rootPem)).toBe(digitalSignature | keyCertSign | cRLSign);
    expect(bits(certChainPem)).toBe(digitalSignature | 0x08);
  });

  it('is not read from what is no certificate', () => {
    expect(() => keyUsageBits(Buffer.from('3003020101ff', 'hex'))).toThrow(RangeError);
    expect(() => keyUsageBits(Buffer.alloc(0))).toThrow(RangeError);
  });
});
