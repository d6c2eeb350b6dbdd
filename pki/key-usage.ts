import { TAG, children, oid } from './der.ts';

/** Bits of the first byte of a KeyUsage (RFC 5280, 4.2.1.3). */
export const KEY_USAGE = { digitalSignature: 0x80, keyCertSign: 0x04, cRLSign: 0x02 } as const;

const KEY_USAGE_OID = oid('2.5.29.15');

/**
 * The key usage of a certificate, which Node does not tell; 0 when it has none. Reading it with the X.509 library would
 * take longer than making the certificate's signature.
 *
 * @param certificate DER
 * @throws RangeError when the certificate is not strict DER.
 */
export function keyUsageBits(certificate: Uint8Array): number {
  const [tbs = new Uint8Array()] = children(TAG.sequence, certificate);
  const wrapped = children(TAG.sequence, tbs).find(([tag]) => tag === TAG.context3);
  if (!wrapped) return 0;
  const [extensions = new Uint8Array()] = children(TAG.context3, wrapped);
  for (const extension of children(TAG.sequence, extensions)) {
    const parts = children(TAG.sequence, extension);
    const [id] = parts;
    const value = parts.at(-1);
    // OCTET STRING { BIT STRING { number of unused bits, first byte, ... } }, all with lengths of one byte.
    if (id && value && KEY_USAGE_OID.equals(id)) return value[5] ?? 0;
  }
  return 0;
}
