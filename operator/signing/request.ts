import * as z from 'zod';

import { DNS_LABEL_PATTERN } from '#core/names.ts';

import type { SigningRefusal } from './refusal.ts';

/** Reads what arrives at the signing endpoint. */

/** The longest body that is read. A request of ours has about 600 bytes. */
export const MAX_BODY_BYTES = 16 * 1024;
const MAX_TOKEN_LENGTH = 12 * 1024;
const BEARER = /^Bearer ([A-Za-z0-9._~+/=-]+)$/;

const bodySchema = z.strictObject({
  csr: z.string().min(1).max(MAX_BODY_BYTES),
  service: z.string().regex(new RegExp(DNS_LABEL_PATTERN)).optional(),
});

/** The body of a signing request. */
export interface SigningBody {
  /** PKCS#10, PEM. */
  readonly csr: string;
  /** The service the pod says it is; its label when absent. */
  readonly service: string | undefined;
}

/** Reads the body, strictly: unknown fields are a mistake of the sender. */
export function readBody(bytes: Uint8Array): SigningBody | SigningRefusal {
  if (bytes.length > MAX_BODY_BYTES) {
    return {
      reason: 'body-too-large',
      message: `the body has ${bytes.length} bytes, more than ${MAX_BODY_BYTES}`,
    };
  }
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return { reason: 'body-malformed', message: 'the body is not JSON in UTF-8' };
  }
  const parsed = bodySchema.safeParse(json);
  if (!parsed.success) return { reason: 'body-malformed', message: faults(parsed.error) };
  return { csr: parsed.data.csr, service: parsed.data.service };
}

function faults(error: z.ZodError): string {
  return error.issues
    .slice(0, 5)
    .map((issue) => `${issue.path.join('.') || 'body'}: ${issue.message.slice(0, 120)}`)
    .join('; ');
}

/** The token of an Authorization header. */
export function readBearer(header: string | undefined): { readonly token: string } | SigningRefusal {
  if (header === undefined) return { reason: 'token-missing', message: 'there is no Authorization header' };
  const token = header.length <= MAX_TOKEN_LENGTH ? BEARER.exec(header)?.[1] : undefined;
  return token
    ? { token }
    : { reason: 'token-missing', message: 'the Authorization header holds no bearer token' };
}
