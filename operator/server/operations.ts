import type { Registry } from 'prom-client';

import type { Clock } from '#base/clock.ts';

import type { Mount } from './app.ts';
import type { Health } from './health.ts';

/**
 * `/healthz` and `/readyz`: 200 when every check passes, else 503. What does not pass is told on loopback only (`kubectl
 * port-forward` comes from there): every pod of the cluster can connect, and need not know what is wrong inside.
 */
export function healthRoutes(live: Health, ready: Health): Mount {
  return (app) => {
    for (const [path, health] of [
      ['/healthz', live],
      ['/readyz', ready],
    ] as const) {
      app.get(path, (request, response) => {
        const { ok, text } = health.ask();
        response
          .status(ok ? 200 : 503)
          .type('text/plain')
          .send(isLoopback(request.socket.remoteAddress) ? text : ok ? 'ok\n' : 'not ok\n');
      });
    }
  };
}

/** Whether a caller is in this pod's own network. */
function isLoopback(address: string | undefined): boolean {
  return address === '127.0.0.1' || address === '::1' || address === '::ffff:127.0.0.1';
}

/** For so long an answer of `/metrics` is good for whoever else asks. */
const METRICS_AGE_MS = 250;

/** `/metrics` for Prometheus. Whoever asks at about the same time gets the same text: it costs some milliseconds, and any pod may ask. */
export function metricsRoute(registry: Registry, beforeScrape: () => void, clock: Clock): Mount {
  let made: { readonly at: number; readonly text: Promise<string> } | undefined;
  return (app) => {
    app.get('/metrics', async (_request, response) => {
      const now = clock.now();
      if (!made || Math.abs(now - made.at) >= METRICS_AGE_MS) {
        beforeScrape();
        made = { at: now, text: registry.metrics() };
      }
      response.type(registry.contentType).send(await made.text);
    });
  };
}
