import { request as httpsRequest } from 'node:https';

import { systemClock } from '#base/clock.ts';
import type { Clock } from '#base/clock.ts';
import { eventually } from '#base/testing/eventually.ts';
import { FakeLog } from '#base/testing/log.fake.ts';
import { FakeApiServer } from '#kube/testing/fake-api.fake.ts';
import type { Pod } from '#kube/types.ts';

import { readConfig } from '../config/config.ts';
import { memberSpec } from '../resources/member.fake.ts';
import type { WebhookPath } from '../webhooks/registered-paths.ts';
import { startOperator } from './composition.ts';
import type { RunningOperator } from './composition.ts';
import type { Webhooks } from './parts.ts';

/** Webhooks that only remember what they are told. */
class FakeWebhooks implements Webhooks {
  paths: readonly WebhookPath[] = [];
  pairs = 0;
  problem: string | undefined;
  isClosed = false;
  readonly port = 9443;
  start(): void {
    this.pairs += 1;
  }
  useCertificate(): void {
    this.pairs += 1;
  }
  usePaths(paths: readonly WebhookPath[]): void {
    this.paths = paths;
  }
  fault(): string | undefined {
    return this.problem;
  }
  close(): Promise<void> {
    this.isClosed = true;
    return Promise.resolve();
  }
}

/** A pod of the service db, as it is after injection. */
export const POD: Pod = {
  metadata: {
    name: 'db-0',
    namespace: 'shop',
    uid: 'u1',
    labels: { app: 'db', 'mesh.dev/injected': 'native', 'mesh.dev/service': 'db' },
  },
  spec: memberSpec('db', 'database'),
  status: { phase: 'Running', podIP: '10.1.1.1', conditions: [{ type: 'Ready', status: 'True' }] },
};

/** Operators, each whole but for its webhooks, that run against one API server and write one log. */
export class WholeOperator {
  fake: FakeApiServer;
  readonly log = new FakeLog();
  /** Of the operators that are started from now on. */
  clock: Clock = systemClock;
  /** One for each operator, in the order in which they were started. */
  readonly webhooks: FakeWebhooks[] = [];
  readonly #running: RunningOperator[] = [];

  private constructor(fake: FakeApiServer) {
    this.fake = fake;
  }

  static async prepare(): Promise<WholeOperator> {
    return new WholeOperator(await FakeApiServer.started());
  }

  /** Puts an API server of another version, which is empty, in the place of the one that is there. */
  async replaceApiServer(version: string): Promise<FakeApiServer> {
    await this.fake.close();
    return (this.fake = await FakeApiServer.started({ version }));
  }

  readonly start = async (
    env: Record<string, string> = {},
    onLostLease: () => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<RunningOperator> => {
    const config = readConfig({
      MESH_NAMESPACE: 'mesh',
      POD_NAME: `mesh-operator-${this.#running.length}`,
      MESH_SIDECAR_IMAGE: 'mesh-sidecar:test',
      MESH_HTTPS_PORT: '0',
      MESH_HTTP_PORT: '0',
      ...env,
    });
    const deps = {
      ...{ config, api: this.fake.api, clock: this.clock, log: this.log, replicas: { onLostLease } },
      webhooks: () => {
        this.webhooks.push(new FakeWebhooks());
        return this.webhooks.at(-1);
      },
      processMetrics: false,
      lingerMs: 0,
    };
    const operator = await startOperator(deps, signal);
    this.#running.push(operator);
    return operator;
  };

  /** Stops every operator, then the API server. */
  async close(): Promise<void> {
    for (const operator of this.#running.splice(0)) await operator.stop();
    await this.fake.close();
  }
}

/** Waits until a replica would get requests. */
export async function untilReady(httpPort: number): Promise<void> {
  await eventually(async () => (await fetch(`http://127.0.0.1:${httpPort}/readyz`)).status === 200);
}

/** Posts nothing to the port for sidecars, whose certificate must hold under the operator's own roots. */
export async function post(
  operator: RunningOperator,
  path: string,
): Promise<{ status: number; body: unknown }> {
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port: operator.httpsPort,
        path,
        method: 'POST',
        ca: operator.rootsPem(),
        servername: 'mesh-operator.mesh.svc',
        agent: false,
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, body: JSON.parse(Buffer.concat(chunks).toString()) }),
        );
      },
    );
    request.on('error', reject);
    request.end();
  });
}
