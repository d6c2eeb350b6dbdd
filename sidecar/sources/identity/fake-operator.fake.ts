import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

import type { ServiceIdentity, SpiffeId } from '#core/spiffe-id.ts';
import { checkCsr } from '#pki/csr-check.ts';
import { issueLeaf } from '#pki/profile.ts';
import { TestPki } from '#pki/testing/test-pki.fake.ts';

/** What one request was answered with; a test may bend it. */
export interface FakeAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The operator's signing endpoint over real TLS, which signs for whoever asks and does as a test tells it. */
export class FakeOperator {
  /** The root that signs leaves and the serving certificate. Replace it to change the active root. */
  pki: TestPki;
  ttlMs = 3_600_000;
  /** How far its clock is ahead. */
  aheadMs = 0;
  /** Called before signing; what it returns is answered instead. */
  intercept: ((body: { csr: string; service: string }) => FakeAnswer | undefined) | undefined;
  /** Never answers while set. */
  silent = false;
  /** The name in the leaf instead of the right one. */
  uri: SpiffeId | undefined;
  /** Signs this key instead of the CSR's. */
  foreignKey: Uint8Array | undefined;
  readonly requests: { readonly token: string; readonly csr: string; readonly service: string }[] = [];
  readonly #who: ServiceIdentity;
  #server: Server | undefined;
  #port = 0;

  private constructor(pki: TestPki, who: ServiceIdentity) {
    this.pki = pki;
    this.#who = who;
  }

  static async start(who: ServiceIdentity, pki?: TestPki): Promise<FakeOperator> {
    const operator = new FakeOperator(pki ?? (await TestPki.create()), who);
    await operator.listen();
    return operator;
  }

  get url(): string {
    return `https://localhost:${this.#port}`;
  }

  /** Listens (again), on the same port once it has one. */
  async listen(dnsNames: readonly string[] = ['localhost']): Promise<void> {
    const serving = await this.pki.serving(dnsNames);
    const server = createServer(
      { cert: serving.certChainPem, key: serving.keyPem, minVersion: 'TLSv1.3' },
      (request, response) => {
        void this.#serve(request, response);
      },
    );
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, 'localhost', resolve));
    this.#port = (server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (!server) return;
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = JSON.parse(await text(request)) as { csr: string; service: string };
    this.requests.push({ token: (request.headers.authorization ?? '').replace('Bearer ', ''), ...body });
    if (this.silent) return;
    const answer = this.intercept?.(body) ?? {
      status: 200,
      body: { certificate: await this.#sign(body.csr) },
    };
    response.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    response.end(typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body));
  }

  async #sign(csr: string): Promise<string> {
    const checked = await checkCsr(csr);
    if (!checked.ok) throw new Error('the CSR is faulty');
    return issueLeaf(this.pki.signer, {
      now: Date.now() + this.aheadMs,
      ttlMs: this.ttlMs,
      spki: this.foreignKey ?? checked.csr.spki,
      spiffeId: this.uri ?? this.pki.spiffeId(this.#who),
      who: this.#who,
      trustDomain: this.pki.trustDomain,
    });
  }
}
