import * as z from 'zod';

import type { JsonPatchOp } from './injection/json-patch.ts';

/** AdmissionReview of admission.k8s.io/v1: what the API server asks, and what it gets back. */

const ADMISSION_API_VERSION = 'admission.k8s.io/v1';

const requestSchema = z.looseObject({
  uid: z.string().min(1).max(128),
  kind: z.looseObject({ group: z.string(), version: z.string(), kind: z.string() }),
  resource: z.looseObject({ group: z.string(), version: z.string(), resource: z.string() }),
  subResource: z.string().nullish(),
  name: z.string().nullish(),
  namespace: z.string().nullish(),
  operation: z.enum(['CREATE', 'UPDATE', 'DELETE', 'CONNECT']),
  object: z.unknown(),
  oldObject: z.unknown(),
});

const reviewSchema = z.looseObject({
  apiVersion: z.literal(ADMISSION_API_VERSION),
  kind: z.literal('AdmissionReview'),
  request: requestSchema,
});

export type AdmissionRequest = z.infer<typeof requestSchema>;

/** The answer to one request. */
export type ReviewVerdict =
  | { readonly allowed: true; readonly patch?: readonly JsonPatchOp[]; readonly warnings?: readonly string[] }
  | {
      readonly allowed: false;
      /** HTTP status that the user's request gets. */
      readonly code: number;
      readonly reason: string;
      readonly message: string;
      readonly warnings?: readonly string[];
    };

/** The API server cuts a warning that is longer, and drops all beyond 4096 bytes together. */
const MAX_WARNING = 250;
const MAX_WARNINGS = 12;
const MAX_MESSAGE = 16_384;

/**
 * Reads what the API server posted. Never throws: anyone who reaches the port can post.
 *
 * @returns the request, or a sentence that says what is wrong
 */
export function readAdmissionReview(
  body: unknown,
): { readonly request: AdmissionRequest } | { readonly fault: string } {
  const parsed = reviewSchema.safeParse(body);
  if (parsed.success) return { request: parsed.data.request };
  const [issue] = parsed.error.issues;
  const where = (issue?.path ?? []).map(String).join('.') || 'body';
  return {
    fault: `no AdmissionReview of ${ADMISSION_API_VERSION}: ${where}: ${issue?.message ?? 'unreadable'}`,
  };
}

/** The AdmissionReview that answers request `uid`. */
export function admissionResponse(uid: string, verdict: ReviewVerdict): object {
  const warnings = (verdict.warnings ?? []).slice(0, MAX_WARNINGS).map(warningText);
  return {
    apiVersion: ADMISSION_API_VERSION,
    kind: 'AdmissionReview',
    response: {
      uid,
      allowed: verdict.allowed,
      ...(warnings.length > 0 ? { warnings } : {}),
      ...(verdict.allowed ? patchPart(verdict.patch) : statusPart(verdict)),
    },
  };
}

function patchPart(patch: readonly JsonPatchOp[] | undefined): object {
  if (patch === undefined || patch.length === 0) return {};
  return { patchType: 'JSONPatch', patch: Buffer.from(JSON.stringify(patch)).toString('base64') };
}

function statusPart({ code, reason, message }: ReviewVerdict & { readonly allowed: false }): object {
  return { status: { status: 'Failure', code, reason, message: message.slice(0, MAX_MESSAGE) } };
}

/** Warnings travel as an HTTP header: one line, nothing unprintable. */
function warningText(text: string): string {
  const line = text.replace(/[^\x20-\x7e]+/g, ' ');
  return line.length > MAX_WARNING ? `${line.slice(0, MAX_WARNING)}...` : line;
}
