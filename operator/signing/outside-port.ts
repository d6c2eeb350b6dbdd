import type { Logger } from '#base/log.ts';

import type { OperatorMetrics } from '../metrics/metrics.ts';
import { canonicalAddress } from '#core/net/address.ts';
import { ADDRESS_PATH, SIGN_PATH } from '#core/wire.ts';
import { signingRouter } from './router.ts';
import type { SigningLimits, SigningService } from './signing-service.ts';
import { createApp } from '../server/app.ts';
import type { Mount } from '../server/app.ts';
import { BodyBudget } from '../server/body-budget.ts';
import { HttpsListener } from '../server/https-listener.ts';
import { CONNECTIONS, SIGNING_BODIES, listenerMetrics } from '../server/limits.ts';
import type { BodyRefusal } from '../server/read-body.ts';
import type { ServingCertificate } from '../server/serving-certificate.ts';

/** Strangers can reach this port, and must not take the places of pods. */
export const OUTSIDE_LIMITS: Partial<SigningLimits> = {
  concurrent: 8,
  addressBurst: 30,
  addressPerSecond: 2,
};

/** `GET /v1/address`: under which address the asker is seen here. A machine outside must be registered under that one. */
const addressRoute: Mount = (app) => {
  app.get(ADDRESS_PATH, (request, response) => {
    response
      .set('Cache-Control', 'no-store')
      .json({ address: canonicalAddress(request.socket.remoteAddress ?? '') });
  });
};

export interface OutsidePortDeps {
  readonly log: Logger;
  readonly metrics: Pick<
    OperatorMetrics,
    'httpRequests' | 'logLinesLeftOut' | 'connections' | 'connectionsClosed' | 'bodiesRefused'
  >;
  /** The certificate of the port for pods: who answers here is the same. */
  readonly certificate: ServingCertificate;
  /** Signs for processes outside of pods and nobody else. */
  readonly signing: Pick<SigningService, 'sign' | 'isBarred'>;
  /** Whether a machine is registered in that network. */
  readonly isKnown: (network: string) => boolean;
}

/**
 * Where processes outside of pods have their certificates signed: a port of its own, so that it can be opened without the
 * port for webhooks, whose answers tell of the cluster's rules.
 */
export function outsidePort({ log, metrics, certificate, signing, isKnown }: OutsidePortDeps): HttpsListener {
  if (!certificate.pair) throw new Error('the operator was stopped before it had a serving certificate');
  const bodies = {
    budget: new BodyBudget(SIGNING_BODIES),
    refused: (reason: BodyRefusal) => metrics.bodiesRefused.inc({ server: 'outside', reason }),
  };
  const app = createApp({
    ...{ log, metrics, server: 'outside', paths: [SIGN_PATH, ADDRESS_PATH] },
    mounts: [(express) => express.use(signingRouter(signing, bodies)), addressRoute],
  });
  const listener = new HttpsListener(app, certificate.pair, {
    limits: CONNECTIONS.outside,
    metrics: listenerMetrics(metrics, 'outside'),
    isKnown,
    isBarred: (network) => signing.isBarred(network),
  });
  certificate.onChange((pair) => listener.useCertificate(pair));
  return listener;
}
