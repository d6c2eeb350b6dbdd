import type { MeshConfigStatus } from '#core/model/mesh-config.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { readCertificates } from '#pki/pem.ts';
import { writeSpiffeBundle } from '#pki/spiffe-bundle.ts';
import type { Svid } from '#pki/svid.ts';

import { ownBundle } from './own-bundle.ts';
import type { OperatorMetrics } from '../metrics/metrics.ts';
import { createApp } from '../server/app.ts';
import type { Mount } from '../server/app.ts';
import { HttpsListener } from '../server/https-listener.ts';
import { CONNECTIONS, listenerMetrics } from '../server/limits.ts';
import { ServingCertificate } from '../server/serving-certificate.ts';

export const BUNDLE_PATH = '/bundle';

/** How often others should look again, seconds: as often as any of them does. A root that is taken back is then soon forgotten. */
const REFRESH_HINT = 60;

/**
 * The bundle of this mesh as others fetch it (SPIFFE Federation, 5.2): its published roots, with a number that is the same in every
 * replica. Undefined before anything is published. Pure.
 */
export function ownBundleText(status: MeshConfigStatus | undefined): string | undefined {
  const { roots = [], ownBundle: published } = status ?? {};
  if (!published || roots.length === 0) return undefined;
  // Roots that the leader has not counted yet have the number that it will give them.
  const { sequence } = ownBundle(published, roots, 0);
  const certificates = roots.flatMap(({ pem }) => readCertificates(pem));
  return writeSpiffeBundle(certificates, { sequence, refreshHint: REFRESH_HINT });
}

/** `GET /bundle`: public keys, for everybody who can connect. The text is made once for each status, not once for each who asks. */
export function bundleRoute(status: () => MeshConfigStatus | undefined): Mount {
  let made: { readonly of: MeshConfigStatus | undefined; readonly text: string | undefined } | undefined;
  return (app) => {
    app.get(BUNDLE_PATH, (_request, response) => {
      const now = status();
      if (!made || made.of !== now) made = { of: now, text: ownBundleText(now) };
      const { text } = made;
      if (text === undefined)
        response
          .status(503)
          .json({ error: { code: 'not-ready', message: 'no root is published yet; ask again soon' } });
      else response.set('Cache-Control', 'no-cache').type('application/json').send(text);
    });
  };
}

export interface BundleEndpointDeps {
  /** Where it listens; 0 for any. */
  readonly port: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Pick<
    OperatorMetrics,
    'httpRequests' | 'logLinesLeftOut' | 'connections' | 'connectionsClosed' | 'bundleCertificateExpiry'
  >;
  /** Makes this operator's own identity again. */
  readonly issue: () => Promise<Svid>;
  /** Calls when other roots are trusted, or another one signs. */
  readonly onAuthorityChange: (listener: () => void) => () => void;
  readonly status: () => MeshConfigStatus | undefined;
}

/**
 * The bundle on a port of its own, for the profile https_spiffe: what it shows is the operator's X.509-SVID, and it answers nothing
 * else, so that it can be opened to others without the port for webhooks and signing.
 */
export class BundleEndpoint {
  /** Where it listens. */
  readonly port: number;
  readonly #listener: HttpsListener;
  readonly #certificate: ServingCertificate;
  readonly #forget: () => void;

  private constructor(
    port: number,
    listener: HttpsListener,
    certificate: ServingCertificate,
    forget: () => void,
  ) {
    this.port = port;
    this.#listener = listener;
    this.#certificate = certificate;
    this.#forget = forget;
  }

  /**
   * Listens once it has its first certificate.
   *
   * @param signal gives up
   */
  static async start(deps: BundleEndpointDeps, signal: AbortSignal): Promise<BundleEndpoint> {
    const { clock, log, metrics, issue } = deps;
    const certificate = new ServingCertificate({
      ...{ clock, issue, random: Math.random },
      log: log.child({ part: 'bundle-endpoint' }),
      metrics: { servingCertificateExpiry: metrics.bundleCertificateExpiry },
    });
    signal.addEventListener('abort', () => certificate.stop());
    await certificate.start();
    if (!certificate.pair) throw new Error('the operator was stopped before it had a certificate');
    const app = createApp({
      ...{ log, metrics, server: 'bundle', paths: [BUNDLE_PATH] },
      mounts: [bundleRoute(deps.status)],
    });
    const listener = new HttpsListener(app, certificate.pair, {
      limits: CONNECTIONS.bundle,
      metrics: listenerMetrics(metrics, 'bundle'),
    });
    certificate.onChange((pair) => listener.useCertificate(pair));
    const port = await listener.listen(deps.port);
    return new BundleEndpoint(
      port,
      listener,
      certificate,
      deps.onAuthorityChange(() => certificate.renew()),
    );
  }

  async close(deadlineMs: number): Promise<void> {
    this.#forget();
    this.#certificate.stop();
    await this.#listener.close(deadlineMs);
  }
}
