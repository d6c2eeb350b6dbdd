import { X509Certificate } from 'node:crypto';

/** PEM text (RFC 7468), strictly: what is not exactly the expected blocks is refused rather than skipped. */

const MAX_PEM_LENGTH = 1024 * 1024;
const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,40})-----\r?\n([A-Za-z0-9+/=\r\n]*?)\r?\n?-----END \1-----/g;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** DER as PEM, 64 characters a line, with a newline at the end. */
export function toPem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64');
  return `-----BEGIN ${label}-----\n${(base64.match(/.{1,64}/g) ?? []).join('\n')}\n-----END ${label}-----\n`;
}

/**
 * The DER of every block of one kind.
 *
 * @throws RangeError when there is another kind of block, text between blocks, or base64 that cannot be read.
 */
export function pemBlocks(label: string, text: string): readonly Buffer[] {
  if (text.length > MAX_PEM_LENGTH)
    throw new RangeError(`PEM text of ${text.length} characters: more than ${MAX_PEM_LENGTH}`);
  const blocks: Buffer[] = [];
  const between = text.replace(BLOCK, (_whole, found: string, body: string) => {
    if (found !== label) throw new RangeError(`PEM block "${found}" where "${label}" was expected`);
    blocks.push(base64Bytes(body));
    return '';
  });
  if (between.trim() !== '') throw new RangeError(`PEM text has something besides "${label}" blocks`);
  return blocks;
}

/**
 * The DER of the one block of a text.
 *
 * @throws RangeError as {@link pemBlocks}, and when there is none or more than one.
 */
export function pemBlock(label: string, text: string): Buffer {
  const [block, ...more] = pemBlocks(label, text);
  if (!block || more.length > 0) throw new RangeError(`PEM text must hold exactly one "${label}" block`);
  return block;
}

function base64Bytes(body: string): Buffer {
  const joined = body.replace(/[\r\n]/g, '');
  if (!BASE64.test(joined) || joined === '') throw new RangeError('PEM block whose base64 cannot be read');
  return Buffer.from(joined, 'base64');
}

/**
 * Certificates of a PEM text, in its order.
 *
 * @throws RangeError when the text is not PEM certificates, or one of them cannot be read.
 */
export function readCertificates(pem: string): readonly X509Certificate[] {
  return pemBlocks('CERTIFICATE', pem).map((block, index) => {
    let certificate: X509Certificate;
    try {
      certificate = new X509Certificate(block);
    } catch {
      throw new RangeError(`certificate ${index + 1} of the PEM text cannot be read`);
    }
    if (certificate.raw.length !== block.length)
      throw new RangeError(`certificate ${index + 1} has bytes after its end`);
    return certificate;
  });
}

/** Certificates as PEM, one after the other. */
export function certificatesPem(certificates: readonly X509Certificate[]): string {
  return certificates.map((certificate) => toPem('CERTIFICATE', certificate.raw)).join('');
}
