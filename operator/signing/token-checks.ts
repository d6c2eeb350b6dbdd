import type { TokenReview } from '#kube/types.ts';

import type { Check } from './checks.ts';
import { firstRefusal } from './checks.ts';
import type { SigningRefusal } from './refusal.ts';

/** Whom the API server says a token belongs to: exactly one pod. */
export interface Caller {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly podName: string;
  readonly podUid: string;
  /** The token's own identifier (JTI), where the server tells it. */
  readonly credentialId: string | undefined;
}

export interface TokenFacts {
  readonly review: TokenReview;
  /** The audience we asked for. */
  readonly audience: string;
}

const EXTRA = {
  podName: 'authentication.kubernetes.io/pod-name',
  podUid: 'authentication.kubernetes.io/pod-uid',
  credentialId: 'authentication.kubernetes.io/credential-id',
} as const;
const SERVICE_ACCOUNT_USER = /^system:serviceaccount:([a-z0-9-]{1,63}):([a-z0-9.-]{1,253})$/;
const SERVICE_ACCOUNTS_GROUP = 'system:serviceaccounts';

const isAuthenticated: Check<TokenFacts> = ({ review: { status } }) =>
  status?.authenticated === true
    ? undefined
    : {
        reason: 'token-rejected',
        message: `the API server does not accept the token: ${status?.error ?? 'no reason given'}`,
      };

/** An authenticator that knows no audiences leaves the field empty: then the token may be meant for anybody, so it is refused. */
const isForUs: Check<TokenFacts> = ({ review: { status }, audience }) =>
  status?.audiences?.includes(audience)
    ? undefined
    : {
        reason: 'token-audience',
        message: `the token's audiences are [${(status?.audiences ?? []).join(', ')}], not ${audience}`,
      };

const isServiceAccount: Check<TokenFacts> = ({ review: { status } }) =>
  SERVICE_ACCOUNT_USER.test(status?.user?.username ?? '') &&
  status?.user?.groups?.includes(SERVICE_ACCOUNTS_GROUP)
    ? undefined
    : {
        reason: 'token-not-service-account',
        message: `the token belongs to ${JSON.stringify(status?.user?.username ?? '')}, no ServiceAccount`,
      };

const isBound: Check<TokenFacts> = ({ review }) =>
  only(review, EXTRA.podName) && only(review, EXTRA.podUid)
    ? undefined
    : {
        reason: 'token-unbound',
        message: 'the token is not bound to a pod; only a projected token of a running pod is accepted',
      };

/** In the order they are asked. */
const TOKEN_CHECKS: readonly Check<TokenFacts>[] = [isAuthenticated, isForUs, isServiceAccount, isBound];

/** Whom a token belongs to, or why it is refused. Pure. */
export function readCaller(facts: TokenFacts): Caller | SigningRefusal {
  const refusal = firstRefusal(TOKEN_CHECKS, facts);
  if (refusal) return refusal;
  const [, namespace = '', serviceAccount = ''] =
    SERVICE_ACCOUNT_USER.exec(facts.review.status?.user?.username ?? '') ?? [];
  return {
    namespace,
    serviceAccount,
    podName: only(facts.review, EXTRA.podName) ?? '',
    podUid: only(facts.review, EXTRA.podUid) ?? '',
    credentialId: only(facts.review, EXTRA.credentialId),
  };
}

function only(review: TokenReview, name: string): string | undefined {
  const values = review.status?.user?.extra?.[name];
  return values?.length === 1 && values[0] !== '' ? values[0] : undefined;
}
