/**
 * Why a certificate is refused. The exact reason is for the operator's log and metrics; the asker only learns what it must
 * do next, so that nobody can feel their way along the checks.
 */

/** What the asker is told: HTTP status, stable code, and one sentence for all reasons of the kind. */
const ANSWERS = {
  malformed: { status: 400, message: 'the request cannot be used' },
  unauthenticated: { status: 401, message: 'the token is not accepted' },
  forbidden: { status: 403, message: 'the certificate is not allowed' },
  'too-large': { status: 413, message: 'the request is too large' },
  'too-many': { status: 429, message: 'too many requests; ask again later' },
  'not-ready': { status: 503, message: 'certificates cannot be issued yet; ask again later' },
  failed: { status: 500, message: 'the certificate could not be issued' },
} as const;

export type AnswerCode = keyof typeof ANSWERS;

/** Every reason there is, stable words, with the answer it leads to. The values of the metric's label `reason`. */
export const REASONS = {
  'body-too-large': 'too-large',
  'body-incomplete': 'malformed',
  'body-length-missing': 'malformed',
  'body-malformed': 'malformed',
  'csr-unreadable': 'malformed',
  'csr-trailing-bytes': 'malformed',
  'csr-key': 'malformed',
  'csr-signature': 'malformed',
  'csr-attribute': 'malformed',
  'csr-extension': 'malformed',
  'csr-ca': 'malformed',
  'csr-name': 'malformed',
  'csr-other-identity': 'forbidden',
  'token-missing': 'unauthenticated',
  'token-malformed': 'unauthenticated',
  'token-expired': 'unauthenticated',
  'token-rejected': 'unauthenticated',
  'token-audience': 'unauthenticated',
  'token-not-service-account': 'forbidden',
  'token-unbound': 'forbidden',
  'pod-gone': 'forbidden',
  'pod-uid': 'forbidden',
  'pod-service-account': 'forbidden',
  'pod-ended': 'forbidden',
  'pod-not-injected': 'forbidden',
  'pod-not-outside': 'forbidden',
  'pod-outside': 'forbidden',
  'pod-no-address': 'not-ready',
  'source-address': 'forbidden',
  'service-unnamed': 'forbidden',
  'service-mismatch': 'forbidden',
  'service-reserved': 'forbidden',
  'service-account-not-allowed': 'forbidden',
  'service-unknown': 'not-ready',
  'authority-not-ready': 'not-ready',
  'api-unavailable': 'not-ready',
  'rate-address': 'too-many',
  'rate-pod': 'too-many',
  'rate-failures': 'too-many',
  'rate-unexpected': 'too-many',
  busy: 'too-many',
  'signing-failed': 'failed',
} as const satisfies Record<string, AnswerCode>;

export type Reason = keyof typeof REASONS;

export interface SigningRefusal {
  readonly reason: Reason;
  /** The exact reason, a sentence for people who run the mesh. */
  readonly message: string;
  /** For reasons that pass by themselves. */
  readonly retryAfterMs?: number;
}

export interface SigningRefusalResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly error: { readonly code: AnswerCode; readonly message: string } };
}

const DEFAULT_RETRY_MS = 1000;

/**
 * What the asker is told.
 *
 * @param requestId leads from the answer to the log line with the reason
 */
export function answer(refusal: SigningRefusal, requestId: string): SigningRefusalResponse {
  const code = REASONS[refusal.reason];
  const { status, message } = ANSWERS[code];
  const passes = code === 'too-many' || code === 'not-ready';
  const seconds = Math.max(1, Math.ceil((refusal.retryAfterMs ?? DEFAULT_RETRY_MS) / 1000));
  return {
    status,
    headers: {
      ...(passes ? { 'Retry-After': String(seconds) } : {}),
      ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
    },
    body: {
      error: { code, message: `${message} (the operator's log has the reason under request ${requestId})` },
    },
  };
}
