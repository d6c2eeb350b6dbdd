import type { JsonWebKey } from 'node:crypto';

import * as z from 'zod';

import { quoted } from '#core/fault.ts';
import type { StepCaSettings } from '#core/model/ca-providers.ts';
import type { Clock } from '#base/clock.ts';
import { certificatesPem, readCertificates } from '#pki/pem.ts';

import { HttpsClient } from '../https-client.ts';
import type { HttpsRequest } from '../https-client.ts';
import type { SignedCertificate } from '../provider.ts';
import { isSelfSigned } from '../self-signed.ts';

/** step-ca answered with an error. The message quotes what it said, never what was sent. */
export class StepCaError extends Error {
  override readonly name = 'StepCaError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  /** Whether asking again can help. */
  get transient(): boolean {
    return this.status >= 500 || this.status === 429;
  }
}

const MAX_PEM = 65_536;
const rootsSchema = z.object({ crts: z.array(z.string().max(MAX_PEM)).min(1).max(20) });
const signedSchema = z.object({ certChain: z.array(z.string().max(MAX_PEM)).min(1).max(10) });
const healthSchema = z.object({ status: z.string() });
const provisionersSchema = z.object({
  provisioners: z.array(z.looseObject({ type: z.string(), name: z.string() })).max(1000),
  nextCursor: z.string().max(200).optional(),
});
const jwkSchema = z.object({
  key: z.object({ kid: z.string().max(200), kty: z.string(), crv: z.string(), x: z.string(), y: z.string() }),
});
const errorSchema = z.object({ message: z.string() });
const MAX_PAGES = 50;
const MAX_QUOTED = 300;

/** step-ca's HTTP API, version 1.0. https://smallstep.com/docs/step-ca/ */
export class StepCaClient {
  readonly #https: HttpsClient;
  readonly #address: string;

  constructor(settings: StepCaSettings, clock: Clock) {
    this.#https = new HttpsClient('step-ca', settings, clock);
    this.#address = settings.address;
  }

  /** Why step-ca as a whole does not work; undefined when it does. */
  async healthFault(signal?: AbortSignal): Promise<string | undefined> {
    const { status, body } = await this.#https.ask({ method: 'GET', path: '/health', ...only(signal) });
    const health = healthSchema.safeParse(body);
    if (status === 200 && health.success && health.data.status === 'ok') return undefined;
    return `step-ca at ${this.#address} is unwell: its health check answers ${status}`;
  }

  /** Its roots, PEM. */
  async roots(signal?: AbortSignal): Promise<readonly string[]> {
    const found = rootsSchema.safeParse(
      await this.#ask({ method: 'GET', path: '/1.0/roots', ...only(signal) }),
    );
    if (!found.success) throw new RangeError('step-ca’s answer about its roots cannot be read');
    return found.data.crts.map((pem) => certificatesPem(readCertificates(`${pem.trim()}\n`)));
  }

  /** The public key of a JWK provisioner; undefined when there is none of that name. */
  async provisionerKey(
    name: string,
    signal?: AbortSignal,
  ): Promise<(JsonWebKey & { kid: string }) | undefined> {
    let cursor = '';
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const path = `/1.0/provisioners?limit=100&cursor=${encodeURIComponent(cursor)}`;
      const found = provisionersSchema.safeParse(await this.#ask({ method: 'GET', path, ...only(signal) }));
      if (!found.success) throw new RangeError('step-ca’s answer about its provisioners cannot be read');
      const mine = found.data.provisioners.find((each) => each.type === 'JWK' && each.name === name);
      const jwk = jwkSchema.safeParse(mine);
      if (mine) return jwk.success ? jwk.data.key : undefined;
      if (!found.data.nextCursor) return undefined;
      cursor = found.data.nextCursor;
    }
    return undefined;
  }

  /**
   * @param notAfter Unix time, milliseconds
   * @throws StepCaError, UnreachableError, RangeError
   */
  async sign(
    order: { readonly csrPem: string; readonly token: string; readonly notAfter: number },
    signal?: AbortSignal,
  ): Promise<SignedCertificate> {
    const body = { csr: order.csrPem, ott: order.token, notAfter: new Date(order.notAfter).toISOString() };
    const answer = await this.#ask({ method: 'POST', path: '/1.0/sign', body, ...only(signal) });
    const found = signedSchema.safeParse(answer);
    if (!found.success) throw new RangeError('step-ca’s answer to a signing request cannot be read');
    const [leaf, ...above] = found.data.certChain.flatMap((pem) => readCertificates(`${pem.trim()}\n`));
    if (!leaf) throw new RangeError('step-ca returned no certificate');
    return {
      leafPem: certificatesPem([leaf]),
      intermediatesPem: certificatesPem(above.filter((each) => !isSelfSigned(each))),
    };
  }

  close(): void {
    this.#https.close();
  }

  async #ask(question: HttpsRequest): Promise<unknown> {
    const { status, body } = await this.#https.ask(question);
    if (status >= 200 && status < 300) return body;
    const said = errorSchema.safeParse(body);
    const why = said.success ? `, ${quoted(said.data.message.slice(0, MAX_QUOTED))}` : '';
    const path = question.path.replace(/\?.*/, '');
    throw new StepCaError(status, `step-ca refuses ${path}: status ${status}${why}`);
  }
}

function only(signal: AbortSignal | undefined): { readonly signal?: AbortSignal } {
  return signal ? { signal } : {};
}
