import * as z from 'zod';

import { quoted } from '#core/fault.ts';
import type { VaultSettings } from '#core/model/ca-providers.ts';
import type { Clock } from '#base/clock.ts';

import { HttpsClient } from '../https-client.ts';
import type { HttpsRequest } from '../https-client.ts';

/** What a PKI engine says to everything in the first moments after it was mounted, or after Vault was upgraded, with status 400. */
const MIGRATING = /until migration has completed/;

/** Vault answered with an error. The message quotes what Vault said, never what was sent. */
export class VaultError extends Error {
  override readonly name = 'VaultError';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }

  /** Whether asking again can help: Vault is sealed, busy, a standby, broken or not yet done with a new mount, but has not said no. */
  get transient(): boolean {
    const isAway = this.status >= 500 || this.status === 429 || this.status === 412;
    return isAway || (this.status === 400 && MIGRATING.test(this.message));
  }

  get forbidden(): boolean {
    return this.status === 403;
  }
}

/** A question to Vault: `path` is without `/v1/`. */
export interface VaultRequest {
  readonly method: HttpsRequest['method'];
  readonly path: string;
  readonly body?: object;
  /** None for what everybody may ask. */
  readonly token?: string;
  readonly signal?: AbortSignal | undefined;
}

const errorsSchema = z.object({ errors: z.array(z.string()) });
const answerSchema = z.looseObject({ data: z.unknown(), auth: z.unknown() });
const MAX_QUOTED = 300;

/** What Vault's HTTP API is about, https://developer.hashicorp.com/vault/api-docs: paths, tokens, errors. */
export class VaultClient {
  readonly #https: HttpsClient;
  readonly #settings: VaultSettings;

  constructor(settings: VaultSettings, clock: Clock) {
    this.#https = new HttpsClient('Vault', settings, clock);
    this.#settings = settings;
  }

  /**
   * The answer's `data` and `auth`, whose shapes the caller checks.
   *
   * @throws VaultError, UnreachableError; the signal's reason when that ended it
   */
  async ask({ method, path, body, token, signal }: VaultRequest): Promise<{ data: unknown; auth: unknown }> {
    const { namespace } = this.#settings;
    const answer = await this.#https.ask({
      method,
      path: `/v1/${path}`,
      headers: {
        // Without it some proxies' requests are refused; https://developer.hashicorp.com/vault/api-docs
        'x-vault-request': 'true',
        ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
        ...(token === undefined ? {} : { 'x-vault-token': token }),
      },
      ...(body ? { body } : {}),
      ...(signal ? { signal } : {}),
    });
    if (answer.status >= 300 || answer.status < 200) {
      throw new VaultError(
        answer.status,
        `Vault refuses ${path}: ${reason(answer.status, answer.body, token)}`,
      );
    }
    const { data, auth } = answerSchema.catch({ data: undefined, auth: undefined }).parse(answer.body);
    return { data, auth };
  }

  /**
   * Why Vault as a whole cannot work; undefined when it can. Needs no token.
   * https://developer.hashicorp.com/vault/api-docs/system/health
   *
   * @throws UnreachableError; the signal's reason when that ended it
   */
  async healthFault(signal?: AbortSignal): Promise<string | undefined> {
    const { status } = await this.#https.ask({
      method: 'GET',
      path: '/v1/sys/health?standbyok=true&perfstandbyok=true',
      ...(signal ? { signal } : {}),
    });
    if (status === 200) return undefined;
    const where = `Vault at ${this.#settings.address}`;
    if (status === 501) return `${where} was never initialized`;
    if (status === 503) return `${where} is sealed; unseal it`;
    return `${where} is unwell: its health check answers ${status}`;
  }

  close(): void {
    this.#https.close();
  }
}

function reason(status: number, body: unknown, token: string | undefined): string {
  const parsed = errorsSchema.safeParse(body);
  const said = parsed.success ? parsed.data.errors.join('; ').replace(/\s+/g, ' ').trim() : '';
  if (said === '') return `status ${status}`;
  const safe = token === undefined ? said : said.replaceAll(token, '(token)');
  return `status ${status}, ${quoted(safe.slice(0, MAX_QUOTED))}`;
}

/** A path of an API whose parts may hold any character: `issuer/default/json` under mount `a b` is `a%20b/issuer/default/json`. */
export function vaultPath(...parts: readonly string[]): string {
  return parts.flatMap((part) => part.split('/').map(encodeURIComponent)).join('/');
}
