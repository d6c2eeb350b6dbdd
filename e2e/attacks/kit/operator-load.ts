import { Agent, request as httpsRequest } from 'node:https';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';

import { createCsr } from '#pki/csr.ts';
import { generateKeys } from '#pki/keys.ts';
import { review } from '#webhook/webhook.fake.ts';

import type { MeshedPod } from './cluster-of-pods.ts';

/** What came of ordinary use in one period. */
export interface OperatorFigures {
  /** Requests for certificates on connections that were open before, and how many of them had no certificate in time. */
  readonly signed: number;
  readonly signingFailed: number;
  /** New connections with one such request each. */
  readonly connections: number;
  readonly connectionsFailed: number;
  /** Median from the first packet of a new connection to the certificate, milliseconds. */
  readonly connectMs: number;
  /** Pods that the API server asked about, on kept and new connections. */
  readonly admitted: number;
  readonly admissionFailed: number;
  readonly admissionMs: number;
  /** Looks of the kubelet and of Prometheus. */
  readonly probes: number;
  readonly probesFailed: number;
  /** Why the first that failed did. */
  readonly firstFault?: string;
}

export interface OperatorLoadOptions {
  readonly ports: { readonly signing: number; readonly webhooks: number; readonly http: number };
  /** Whose certificates are asked for; those of the last third over new connections. */
  readonly pods: readonly MeshedPod[];
  readonly caPem: string;
  /** Where the API server asks about pods. */
  readonly injectPath: () => string;
}

/** All pods with a kept connection together make 50 requests a second. */
const SIGN_PER_SECOND = 50;
const CONNECT_PER_SECOND = 10;
const ADMIT_PER_SECOND = 10;
const PROBE_PER_SECOND = 2;
/** Far beyond what any client would wait. */
const ANSWER_MS = 10_000;
const SERVER_NAME = 'mesh-operator.mesh-system.svc';

/** An ordinary pod, as the API server shows it. */
const POD = {
  metadata: {
    generateName: 'db-',
    labels: { app: 'db' },
    annotations: { 'mesh/inject': 'true', 'mesh/service': 'db' },
  },
  spec: {
    serviceAccountName: 'db',
    containers: [
      {
        name: 'db',
        image: 'db:1',
        ports: [{ containerPort: 5432 }],
        readinessProbe: { tcpSocket: { port: 5432 } },
      },
    ],
  },
};

interface Counts {
  done: number;
  failed: number;
  readonly times: number[];
}

/** Ordinary use of an operator while it is attacked. */
export class OperatorLoad {
  readonly #options: OperatorLoadOptions;
  readonly #body: string;
  readonly #kept: readonly { readonly pod: MeshedPod; readonly agent: Agent }[];
  readonly #renewing: readonly MeshedPod[];
  readonly #apiServer = new Agent({ keepAlive: true, maxSockets: 2, localAddress: '127.0.0.1' });
  #fault: string | undefined;

  private constructor(options: OperatorLoadOptions, csr: string) {
    this.#options = options;
    this.#body = JSON.stringify({ csr, service: 'web' });
    const renewing = Math.ceil(options.pods.length / 3);
    this.#renewing = options.pods.slice(-renewing);
    this.#kept = options.pods.slice(0, -renewing).map((pod) => ({
      pod,
      agent: new Agent({ keepAlive: true, maxSockets: 1, localAddress: pod.address }),
    }));
  }

  /** Opens the connections that are kept. */
  static async open(options: OperatorLoadOptions): Promise<OperatorLoad> {
    const load = new OperatorLoad(options, createCsr(await generateKeys()));
    const signed = await Promise.all(load.#kept.map(({ pod, agent }) => load.#sign(pod, agent)));
    if (signed.includes(false))
      throw new Error(`a certificate cannot be had before the attack: ${load.#fault}`);
    return load;
  }

  /** Uses the operator for a while. */
  async run(milliseconds: number): Promise<OperatorFigures> {
    this.#fault = undefined;
    const until = performance.now() + milliseconds;
    const [kept, fresh, admission, probes] = Array.from({ length: 4 }, (): Counts => ({
      done: 0,
      failed: 0,
      times: [],
    }));
    const renewing = this.#renewing[Symbol.iterator].bind(this.#renewing);
    let next = renewing();
    const pod = (): MeshedPod => {
      const { value, done } = next.next();
      if (!done) return value;
      next = renewing();
      return pod();
    };
    let admissions = 0;
    await Promise.all([
      ...this.#kept.map(({ pod, agent }) =>
        every((1000 * this.#kept.length) / SIGN_PER_SECOND, until, kept!, () => this.#sign(pod, agent)),
      ),
      every(1000 / CONNECT_PER_SECOND, until, fresh!, () => this.#sign(pod(), undefined)),
      every(1000 / ADMIT_PER_SECOND, until, admission!, () => this.#admit((admissions += 1) % 2 === 0)),
      every(1000 / PROBE_PER_SECOND, until, probes!, () => this.#probe()),
    ]);
    return {
      signed: kept!.done,
      signingFailed: kept!.failed,
      connections: fresh!.done,
      connectionsFailed: fresh!.failed,
      connectMs: median(fresh!.times),
      admitted: admission!.done,
      admissionFailed: admission!.failed,
      admissionMs: median(admission!.times),
      probes: probes!.done,
      probesFailed: probes!.failed,
      ...(this.#fault === undefined ? {} : { firstFault: this.#fault }),
    };
  }

  close(): void {
    for (const { agent } of this.#kept) agent.destroy();
    this.#apiServer.destroy();
  }

  #sign({ address, token }: MeshedPod, agent: Agent | undefined): Promise<boolean> {
    return this.#post(
      'a certificate',
      {
        ...{
          port: this.#options.ports.signing,
          path: '/v1/sign',
          body: this.#body,
          headers: { authorization: `Bearer ${token}` },
        },
        ...(agent ? { agent } : { agent: false as const, localAddress: address }),
      },
      (answer) => answer.includes('BEGIN CERTIFICATE'),
    );
  }

  #admit(isKept: boolean): Promise<boolean> {
    return this.#post(
      'a pod',
      {
        ...{
          port: this.#options.ports.webhooks,
          path: `${this.#options.injectPath()}?timeout=5s`,
          body: JSON.stringify(review({ object: POD })),
        },
        ...(isKept ? { agent: this.#apiServer } : { agent: false as const, localAddress: '127.0.0.1' }),
      },
      (answer) => answer.includes('JSONPatch'),
    );
  }

  async #probe(): Promise<boolean> {
    try {
      const paths = ['/healthz', '/readyz', '/metrics'];
      const signal = AbortSignal.timeout(ANSWER_MS);
      const answers = await Promise.all(
        paths.map((path) =>
          fetch(`http://127.0.0.1:${this.#options.ports.http}${path}`, {
            signal,
            headers: { connection: 'close' },
          }),
        ),
      );
      const bad = answers.find(({ status }) => status !== 200);
      for (const answer of answers) await answer.text();
      return bad ? this.#failed(`a probe: ${bad.url} ${bad.status}`) : true;
    } catch (error) {
      return this.#failed(`a probe: ${String(error)}`);
    }
  }

  async #post(
    what: string,
    {
      body,
      headers,
      ...to
    }: {
      readonly body: string;
      readonly headers?: object;
      readonly port: number;
      readonly path: string;
      readonly agent: Agent | false;
      readonly localAddress?: string;
    },
    isRight: (answer: string) => boolean,
  ): Promise<boolean> {
    try {
      const answer = await new Promise<{ status: number; text: string }>((resolve, reject) => {
        const request = httpsRequest(
          {
            ...{ host: '127.0.0.1', method: 'POST', servername: SERVER_NAME, ca: this.#options.caPem, ...to },
            headers: {
              'content-type': 'application/json',
              'content-length': Buffer.byteLength(body),
              ...headers,
            },
            signal: AbortSignal.timeout(ANSWER_MS),
          },
          (response) => {
            text(response).then((said) => resolve({ status: response.statusCode ?? 0, text: said }), reject);
          },
        );
        request.on('error', reject).end(body);
      });
      if (answer.status === 200 && isRight(answer.text)) return true;
      return this.#failed(`${what}: ${answer.status} ${answer.text.slice(0, 300)}`);
    } catch (error) {
      return this.#failed(`${what}: ${String(error)}`);
    }
  }

  #failed(fault: string): false {
    this.#fault ??= fault;
    return false;
  }
}

/** Does something again and again, at a steady pace or as fast as it goes. */
async function every(ms: number, until: number, counts: Counts, work: () => Promise<boolean>): Promise<void> {
  await sleep(Math.random() * ms);
  while (performance.now() < until) {
    const next = sleep(ms);
    const began = performance.now();
    const ok = await work();
    counts.done += 1;
    if (ok) counts.times.push(performance.now() - began);
    else counts.failed += 1;
    await next;
  }
}

function median(times: number[]): number {
  return times.sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? Infinity;
}
