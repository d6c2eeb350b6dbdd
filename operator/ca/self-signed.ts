import type { X509Certificate } from 'node:crypto';

/** Whether a certificate is signed by its own key, as a root is. */
export function isSelfSigned(certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate) && certificate.verify(certificate.publicKey);
}
