import * as z from 'zod';

import type { VaultSettings } from '#core/model/ca-providers.ts';
import type { Clock, Timer } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { unlessAborted } from '#base/unless-aborted.ts';

import type { Credentials } from '../credentials.ts';
import { CaStateError } from '../provider.ts';
import { vaultPath, VaultError } from './vault-client.ts';
import type { VaultClient, VaultRequest } from './vault-client.ts';

export interface VaultSessionDeps {
  readonly client: VaultClient;
  readonly settings: VaultSettings;
  readonly credentials: Credentials;
  /** The pod's token for Vault, of an audience that no other service takes; for auth method `kubernetes`. */
  readonly readServiceAccountToken: () => Promise<string>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly random: () => number;
}

/** A token of Vault. Times in milliseconds. */
interface Token {
  readonly id: string;
  /** Infinity for one that never ends. */
  readonly endsAt: number;
  readonly lifeMs: number;
  readonly renewable: boolean;
}

const MAX_TOKEN = 32_768;
const authSchema = z.object({
  client_token: z.string().min(1).max(MAX_TOKEN),
  lease_duration: z.number().min(0),
  renewable: z.boolean(),
});
/** `expire_time` is null for a token that never ends. */
const lookupSchema = z.object({
  ttl: z.number().min(0),
  expire_time: z.string().max(64).nullable(),
  renewable: z.boolean().optional(),
});

const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** Renewed, or a new one is asked for, when this part of its life is over; less some chance, so that replicas do not ask at once. */
const RENEW_AT = 2 / 3;
const RENEW_SPREAD = 0.1;
/** A renewal that gives less than this part of the first life meets the token's longest life: time for a new login. */
const SHORTENED = 1 / 2;
/** Whoever must replace a token by hand is told when this part of its life is left. */
const WARN_AT = 1 / 3;

/**
 * Logs in to Vault and stays logged in: renews the token before it ends, logs in again where it cannot be renewed, and tries again
 * with growing pauses while Vault is away. https://developer.hashicorp.com/vault/docs/concepts/tokens
 */
export class VaultSession {
  readonly #deps: VaultSessionDeps;
  #token: Token | undefined;
  #timer: Timer | undefined;
  #loggingIn: Promise<Token> | undefined;
  #fault: string | undefined;
  #stopped = false;

  constructor(deps: VaultSessionDeps) {
    this.#deps = deps;
  }

  /**
   * Logs in, and goes on renewing until {@link stop}.
   *
   * @throws VaultError, UnreachableError, CaStateError, KubeError, KubeConnectionError
   */
  async start(signal?: AbortSignal): Promise<void> {
    this.#stopped = false;
    await this.#login(signal);
  }

  /**
   * Asks with the session's token. A token that Vault does not know any more (it was revoked, or Vault lost it) is replaced once.
   *
   * @throws VaultError, UnreachableError; the signal's reason when that ended it
   */
  async ask(request: Omit<VaultRequest, 'token'>): Promise<unknown> {
    const { client } = this.#deps;
    const token = await this.#current(request.signal);
    try {
      return (await client.ask({ ...request, token: token.id })).data;
    } catch (error) {
      // 403 says "no right" and "no such token" alike; only of a token that is gone a new one helps.
      const gone =
        error instanceof VaultError && error.forbidden && !(await this.#isKnown(token, request.signal));
      if (!gone) throw error;
      if (this.#token === token) this.#token = undefined;
      const fresh = await this.#current(request.signal);
      return (await client.ask({ ...request, token: fresh.id })).data;
    }
  }

  /** Why the token will not do for long; undefined when all is well. */
  fault(): string | undefined {
    const { clock, credentials, settings } = this.#deps;
    const token = this.#token;
    if (!token) return `the operator is not logged in to Vault${this.#fault ? `: ${this.#fault}` : ''}`;
    const left = token.endsAt - clock.now();
    if (left <= 0) return `the operator's token for Vault has ended${this.#fault ? `: ${this.#fault}` : ''}`;
    if (left === Infinity || left > token.lifeMs * WARN_AT) return undefined;
    const end = new Date(token.endsAt).toISOString();
    if (settings.auth === 'token' && !token.renewable)
      return `the token for Vault ends on ${end} and cannot be renewed; put a new one into ${credentials.where}`;
    return this.#fault && `the token for Vault ends on ${end} and could not be renewed: ${this.#fault}`;
  }

  /** Gives the token back, where a login made it, and asks for no other. Idempotent, never throws. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    const token = this.#token;
    this.#token = undefined;
    if (!token || this.#deps.settings.auth === 'token') return;
    const path = 'auth/token/revoke-self';
    await this.#deps.client.ask({ method: 'POST', path, token: token.id }).catch(() => undefined);
  }

  async #current(signal: AbortSignal | undefined): Promise<Token> {
    if (this.#stopped) throw new Error('the session with Vault was ended');
    if (this.#token && this.#token.endsAt > this.#deps.clock.now()) return this.#token;
    return this.#login(signal);
  }

  /** One login at a time, whoever waits for it; so it does not follow the signal of the one who asked first. */
  async #login(signal?: AbortSignal): Promise<Token> {
    signal?.throwIfAborted();
    this.#loggingIn ??= this.#newToken().finally(() => (this.#loggingIn = undefined));
    const token = await unlessAborted(this.#loggingIn, signal);
    return token;
  }

  async #newToken(): Promise<Token> {
    try {
      const token = this.#deps.settings.auth === 'token' ? await this.#givenToken() : await this.#loggedIn();
      this.#take(token);
      return token;
    } catch (error) {
      this.#fault = (error as Error).message;
      throw error;
    }
  }

  /** The token of the Secret, with what Vault says about it. */
  async #givenToken(): Promise<Token> {
    const { client, credentials, clock } = this.#deps;
    const { token } = await credentials.read(['token']);
    const { data } = await client.ask({ method: 'GET', path: 'auth/token/lookup-self', token });
    const found = lookupSchema.safeParse(data);
    if (!found.success) throw new Error('Vault’s answer about the token cannot be read');
    const left = found.data.expire_time === null ? Infinity : found.data.ttl * 1000;
    const lifeMs = this.#token?.id === token ? this.#token.lifeMs : left;
    return { id: token, lifeMs, endsAt: clock.now() + left, renewable: found.data.renewable === true };
  }

  async #loggedIn(): Promise<Token> {
    const { client, settings } = this.#deps;
    const path = vaultPath('auth', settings.authPath, 'login');
    const { auth } = await client.ask({ method: 'POST', path, body: await this.#proof() });
    return this.#tokenOf(auth);
  }

  async #proof(): Promise<object> {
    const { settings, credentials, readServiceAccountToken } = this.#deps;
    if (settings.auth === 'approle') {
      const { 'role-id': roleId, 'secret-id': secretId } = await credentials.read(['role-id', 'secret-id']);
      return { role_id: roleId, secret_id: secretId };
    }
    try {
      return { role: settings.role, jwt: await readServiceAccountToken() };
    } catch (error) {
      throw new CaStateError(`the operator's token for Vault cannot be read: ${(error as Error).message}`);
    }
  }

  #tokenOf(auth: unknown): Token {
    const found = authSchema.safeParse(auth);
    if (!found.success) throw new Error('Vault’s answer to the login cannot be read');
    const { client_token: id, lease_duration: seconds, renewable } = found.data;
    const lifeMs = seconds === 0 ? Infinity : seconds * 1000;
    return { id, lifeMs, endsAt: this.#deps.clock.now() + lifeMs, renewable };
  }

  #take(token: Token): void {
    this.#token = token;
    this.#fault = undefined;
    const left = token.endsAt - this.#deps.clock.now();
    this.#renewIn(left * (RENEW_AT - RENEW_SPREAD * this.#deps.random()), FIRST_RETRY_MS);
  }

  #renewIn(ms: number, nextPause: number): void {
    this.#timer?.cancel();
    if (this.#stopped || ms === Infinity) return;
    this.#timer = this.#deps.clock.setTimeout(
      () => void this.#renew(nextPause),
      Math.max(ms, FIRST_RETRY_MS),
    );
  }

  async #renew(pause: number): Promise<void> {
    try {
      await this.#renewOrLogIn();
    } catch (err) {
      if (this.#stopped) return;
      this.#fault = (err as Error).message;
      this.#deps.log.warn({ err, retryMs: pause }, 'the token for Vault could not be renewed');
      this.#renewIn(pause, Math.min(pause * 2, LAST_RETRY_MS));
    }
  }

  async #renewOrLogIn(): Promise<void> {
    const before = this.#token;
    if (!before?.renewable || before.endsAt <= this.#deps.clock.now()) return void (await this.#login());
    let renewed: Token;
    try {
      const path = 'auth/token/renew-self';
      const { auth } = await this.#deps.client.ask({ method: 'POST', path, body: {}, token: before.id });
      renewed = { ...this.#tokenOf(auth), lifeMs: before.lifeMs };
    } catch (error) {
      // Vault says that the longest life is over with a 500, as if it were broken.
      if (!(error instanceof VaultError)) throw error;
      return void (await this.#login());
    }
    if (this.#stopped || this.#token !== before) return;
    const left = renewed.endsAt - this.#deps.clock.now();
    const shortened = left < before.lifeMs * SHORTENED;
    if (shortened && this.#deps.settings.auth !== 'token') return void (await this.#login());
    this.#take({ ...renewed, renewable: renewed.renewable && !shortened });
  }

  async #isKnown(token: Token, signal: AbortSignal | undefined): Promise<boolean> {
    const path = 'auth/token/lookup-self';
    try {
      await this.#deps.client.ask({ method: 'GET', path, token: token.id, signal });
      return true;
    } catch (error) {
      signal?.throwIfAborted();
      return !(error instanceof VaultError && error.forbidden);
    }
  }
}
