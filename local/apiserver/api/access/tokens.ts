import { createHmac, randomUUID, timingSafeEqual } from 'node:crypto';

import { isRecord } from '#base/record.ts';

/** What a token says. The form is that of Kubernetes' ServiceAccount tokens. */
export interface Claims {
  readonly iss: string;
  readonly sub: string;
  readonly aud: readonly string[];
  /** Unix time, seconds. */
  readonly exp: number;
  readonly iat: number;
  readonly jti: string;
  readonly 'kubernetes.io': {
    readonly namespace: string;
    readonly serviceaccount: { readonly name: string; readonly uid: string };
    readonly pod?: { readonly name: string; readonly uid: string };
  };
}

const HEADER = encode({ alg: 'HS256', typ: 'JWT' });
/** Longer than any of ours. */
const MAX_TOKEN = 8192;

/**
 * Makes and checks ServiceAccount tokens: JSON Web Tokens (RFC 7519) with a MAC, since nobody but this server checks them.
 */
export class Tokens {
  readonly #key: Buffer;

  /** @param key 32 random bytes, kept with the objects */
  constructor(key: Buffer) {
    this.#key = key;
  }

  sign(claims: Omit<Claims, 'jti'>): string {
    const signed = `${HEADER}.${encode({ ...claims, jti: randomUUID() })}`;
    return `${signed}.${this.#mac(signed).toString('base64url')}`;
  }

  /**
   * @param now Unix time, milliseconds
   * @returns undefined for what this server did not sign, or is over
   */
  read(token: string, now: number): Claims | undefined {
    const [header = '', payload = '', mac = '', ...more] = token.length > MAX_TOKEN ? [] : token.split('.');
    if (header !== HEADER || more.length > 0) return undefined;
    const given = Buffer.from(mac, 'base64url');
    const right = this.#mac(`${header}.${payload}`);
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined;
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as Claims;
    return isRecord(claims) && claims.exp * 1000 > now ? claims : undefined;
  }

  #mac(text: string): Buffer {
    return createHmac('sha256', this.#key).update(text).digest();
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}
