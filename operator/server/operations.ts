import type { Registry } from 'prom-client';

import type { Mount } from './app.ts';
import type { Health } from './health.ts';

/** `/healthz` and `/readyz`: 200 when every check passes, else 503; one line per check. */
export function healthRoutes(live: Health, ready: Health): Mount {
  return (app) => {
    for (const [path, health] of [
      ['/healthz', live],
      ['/readyz', ready],
    ] as const) {
      app.get(path, (_request, response) => {
        const { ok, text } = health.ask();
        response
          .status(ok ? 200 : 503)
          .type('text/plain')
          .send(text);
      });
    }
  };
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
