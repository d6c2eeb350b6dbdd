import { OPERATOR_SERVICE } from '#core/constants.ts';
import { namespaceName, serviceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import { createCsr } from '#pki/csr.ts';
import { generateKeys, spkiDer } from '#pki/keys.ts';
import { TrustBundle } from '#pki/trust-bundle.ts';

import { CaStateError } from './provider.ts';
import type { CaProvider, CaRoot } from './provider.ts';
import { selfCheckFault } from './self-check.ts';

export interface TrialOptions {
  readonly scope: IdentityScope;
  /** The mesh's own namespace. */
  readonly namespace: string;
  /** Unix time, milliseconds. */
  readonly now: number;
}

/** Authorities refuse lifetimes below a minimum of their own: step-ca's is five minutes. */
const TRIAL_TTL_MS = 15 * 60_000;

/**
 * Has an authority sign a certificate of the operator's own identity, whose key is dropped at once: only that shows that it signs what
 * sidecars accept. Until it has, nothing of it is published and the authority before it goes on signing.
 *
 * @param provider started
 * @param root that it says it signs with
 * @throws Error that says why it cannot sign; CaStateError where what it signed is not what was asked for
 */
export async function tryToSign(
  provider: Pick<CaProvider, 'name' | 'sign'>,
  root: CaRoot,
  options: TrialOptions,
  signal: AbortSignal,
): Promise<void> {
  const { scope, namespace, now } = options;
  const { trustDomain } = scope;
  const who = { namespace: namespaceName(namespace), service: serviceName(OPERATOR_SERVICE) };
  const keys = await generateKeys();
  const request = {
    ...{ kind: 'workload' as const, who, trustDomain, ttlMs: TRIAL_TTL_MS },
    ...{ spki: spkiDer(keys.publicKey), csrPem: createCsr(keys), spiffeId: serviceSpiffeId(scope, who) },
  };
  const signed = await provider.sign(request, signal);
  const fault = selfCheckFault({
    ...{ request, signed, trustDomain, now },
    bundle: TrustBundle.of(trustDomain, root.pem),
  });
  if (fault) throw new CaStateError(`${provider.name} signs what must not be handed out: ${fault}`);
}
