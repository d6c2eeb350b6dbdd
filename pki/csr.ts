import { sign } from 'node:crypto';

import { TAG, der, oid } from './der.ts';
import { spkiDer } from './keys.ts';
import type { KeyPair } from './keys.ts';
import { toPem } from './pem.ts';

/**
 * Makes certificate requests (PKCS#10, RFC 2986), for workloads. Written with `node:crypto` alone: the X.509 library would
 * add 16 MB to every sidecar for these few bytes. Reading requests of others is in `csr-check.ts`.
 */

const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
const EXTENSION_REQUEST = '1.2.840.113549.1.9.14';
const SUBJECT_ALT_NAME = '2.5.29.17';

/**
 * A signed certificate request with an empty subject.
 *
 * @param keys an EC key pair, see `generateKeys`
 * @param spiffeId the identity that is asked for, when the caller knows it; the authority decides in any case
 * @returns PEM
 */
export function createCsr(keys: KeyPair, spiffeId?: string): string {
  const info = der(
    TAG.sequence,
    der(TAG.integer, Buffer.from([0])),
    der(TAG.sequence),
    spkiDer(keys.publicKey),
    der(TAG.context0, ...(spiffeId === undefined ? [] : [requestedName(spiffeId)])),
  );
  const signature = sign('sha256', info, keys.privateKey);
  const algorithm = der(TAG.sequence, oid(ECDSA_WITH_SHA256));
  const request = der(TAG.sequence, info, algorithm, der(TAG.bitString, Buffer.from([0]), signature));
  return toPem('CERTIFICATE REQUEST', request);
}

function requestedName(uri: string): Buffer {
  const names = der(TAG.sequence, der(TAG.uri, Buffer.from(uri, 'ascii')));
  const extension = der(TAG.sequence, oid(SUBJECT_ALT_NAME), der(TAG.octetString, names));
  return der(TAG.sequence, oid(EXTENSION_REQUEST), der(TAG.set, der(TAG.sequence, extension)));
}
