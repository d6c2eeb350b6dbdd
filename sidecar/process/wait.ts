import { request } from 'node:http';

import { PORTS } from '#core/constants.ts';
import type { Clock } from '#base/clock.ts';

export interface WaitOptions {
  readonly clock: Clock;
  /** Default: the sidecar's admin port. */
  readonly port?: number;
  /** Default two minutes. */
  readonly timeoutMs?: number;
}

const LOOK_EVERY_MS = 100;
const ANSWER_MS = 2_000;

/**
 * Waits until the sidecar of this pod is ready: the gate before the application in pods whose sidecar is an ordinary container.
 *
 * @returns undefined when it is ready; else a sentence saying what it still waited for
 */
export async function waitUntilReady({
  clock,
  port = PORTS.admin,
  timeoutMs = 120_000,
}: WaitOptions): Promise<string | undefined> {
  const deadline = clock.now() + timeoutMs;
  for (;;) {
    const problem = await readiness(port);
    if (problem === undefined) return undefined;
    if (clock.now() >= deadline)
      return `the sidecar is not ready after ${Math.round(timeoutMs / 1000)} s: ${problem}`;
    await clock.sleep(LOOK_EVERY_MS);
  }
}

/** @returns undefined when ready, else what the sidecar says */
function readiness(port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const options = {
      host: '127.0.0.1',
      port,
      path: '/readyz',
      agent: false as const,
      signal: AbortSignal.timeout(ANSWER_MS),
    };
    const asking = request(options, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => (body = (body + chunk).slice(0, 500)));
      response.on('error', () => resolve('it broke off its answer'));
      response.on('end', () => resolve(response.statusCode === 200 ? undefined : body.trim()));
    });
    asking.on('error', (error) =>
      resolve(`it does not answer (${(error as NodeJS.ErrnoException).code ?? error.message})`),
    );
    asking.end();
  });
}
