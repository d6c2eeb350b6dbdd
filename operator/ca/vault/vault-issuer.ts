import type { X509Certificate } from 'node:crypto';

import * as z from 'zod';

import { certificatesPem, readCertificates } from '#pki/pem.ts';
import { validity } from '#pki/svid.ts';

import { isSelfSigned } from '../self-signed.ts';

/** An issuer of a PKI mount as Vault tells it: its certificate, and the chain above. */
export interface VaultIssuer {
  readonly certificate: X509Certificate;
  /** The self-signed certificate that the chain ends with; undefined where Vault does not know it. */
  readonly root: X509Certificate | undefined;
  /** Unix time, milliseconds, of whatever in the chain ends first. */
  readonly notAfter: number;
}

const MAX_PEM = 65_536;
const issuerSchema = z.object({
  certificate: z.string().max(MAX_PEM),
  ca_chain: z.array(z.string().max(MAX_PEM)).max(10).nullish(),
});
const signedSchema = z.object({
  certificate: z.string().max(MAX_PEM),
  issuing_ca: z.string().max(MAX_PEM),
  ca_chain: z.array(z.string().max(MAX_PEM)).max(10).nullish(),
});

/**
 * Reads Vault's answer about an issuer.
 *
 * @throws RangeError when it has no certificates that can be read
 */
export function readIssuer(data: unknown): VaultIssuer {
  const parsed = issuerSchema.safeParse(data);
  if (!parsed.success) throw new RangeError('Vault’s answer about an issuer cannot be read');
  const chain = readCertificates(
    [parsed.data.certificate, ...(parsed.data.ca_chain ?? [])].map(line).join(''),
  );
  const [certificate] = chain;
  if (!certificate) throw new RangeError('Vault’s issuer has no certificate');
  return {
    certificate,
    root: chain.find(isSelfSigned),
    notAfter: Math.min(...chain.map((each) => validity(each).notAfter)),
  };
}

/**
 * Reads a signed certificate: leaf, and what is between it and the root.
 *
 * @throws RangeError when it cannot be read
 */
export function readSigned(data: unknown): { readonly leafPem: string; readonly intermediatesPem: string } {
  const parsed = signedSchema.safeParse(data);
  if (!parsed.success) throw new RangeError('Vault’s answer to a signing request cannot be read');
  const { certificate, issuing_ca: issuer, ca_chain: chain } = parsed.data;
  const above = readCertificates((chain && chain.length > 0 ? chain : [issuer]).map(line).join(''));
  return {
    leafPem: certificatesPem(readCertificates(line(certificate))),
    intermediatesPem: certificatesPem(above.filter((each) => !isSelfSigned(each))),
  };
}

/** Vault leaves the last newline out. */
function line(pem: string): string {
  return `${pem.trim()}\n`;
}
