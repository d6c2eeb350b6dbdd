import type { Registry } from 'prom-client';

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

/** `/metrics` for Prometheus. */
export function metricsRoute(registry: Registry, beforeScrape: () => void): Mount {
  return (app) => {
    app.get('/metrics', async (_request, response) => {
      beforeScrape();
      response.type(registry.contentType).send(await registry.metrics());
    });
  };
}
