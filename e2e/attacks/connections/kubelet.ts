import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const EVERY_MS = 200;
/** Longer than the kubelet waits, since everything here shares two cores; what is displaced is reset, and fails at once. */
const TIMEOUT_MS = 10_000;

/** How often a probe succeeded, and why it did not. */
export interface Probed {
  readonly succeeded: number;
  readonly failures: readonly string[];
}

/** Probes as the kubelet does: a connection of its own for each, no answer in time is a failure. */
export async function probe(port: number, path: string, until: AbortSignal): Promise<Probed> {
  const failures: string[] = [];
  let succeeded = 0;
  while (!until.aborted) {
    const next = sleep(EVERY_MS);
    const failure = await once(port, path);
    if (failure === undefined) succeeded += 1;
    else failures.push(failure);
    await next;
  }
  return { succeeded, failures };
}

function once(port: number, path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const signal = AbortSignal.timeout(TIMEOUT_MS);
    const asking = request({ host: '127.0.0.1', port, path, agent: false, signal }, (response) => {
      response.resume();
      response.once('error', (error) => resolve(error.message));
      response.once('end', () =>
        resolve(response.statusCode === 200 ? undefined : `status ${response.statusCode}`),
      );
    });
    asking.once('error', (error) => resolve(error.message));
    asking.end();
  });
}
