/** The shape of PEM texts (RFC 7468), without reading what is inside. */

const BLOCK = /-----BEGIN ([A-Z0-9 ]{1,64})-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/**
 * What is wrong with a text that must hold one or more certificates in PEM; undefined when its structure is right. The
 * text is never part of the sentence: it may hold a key by mistake.
 */
export function certificatesFault(text: string): string | undefined {
  if (/PRIVATE KEY/.test(text))
    return 'holds a private key, which must not be here: remove it, and replace that key wherever it is used';
  const blocks = [...text.matchAll(BLOCK)];
  const outside = text.replace(BLOCK, '').trim();
  if (blocks.length === 0)
    return 'holds no PEM certificate; write one or more blocks that begin with -----BEGIN CERTIFICATE-----';
  if (outside !== '') return 'holds text outside its PEM blocks; write only the certificates';
  const wrong = blocks.findIndex(
    ([, label = '', body = '']) => label !== 'CERTIFICATE' || !isDerSequence(body),
  );
  if (wrong < 0) return undefined;
  return `block ${wrong + 1} is not a certificate; write only blocks that begin with -----BEGIN CERTIFICATE-----, whole and unchanged`;
}

/** Whether base64 text holds exactly one DER SEQUENCE, as every certificate is. */
function isDerSequence(base64: string): boolean {
  const der = Buffer.from(base64.replace(/\s+/g, ''), 'base64');
  const [tag, first = 0] = der;
  if (tag !== 0x30) return false;
  if (first < 0x80) return der.length === 2 + first;
  const lengthBytes = first & 0x7f;
  if (lengthBytes < 1 || lengthBytes > 4 || der.length < 2 + lengthBytes) return false;
  return der.length === 2 + lengthBytes + der.readUIntBE(2, lengthBytes);
}
