import type { KubeApi } from '#kube/api.ts';
import { isNotFound } from '#kube/errors.ts';
import { SECRETS } from '#kube/types.ts';
import type { Secret } from '#kube/types.ts';

import { CaStateError } from './provider.ts';

const MAX_LENGTH = 16_384;

/** The credentials of a provider: a Secret of the mesh's namespace, read again each time, so that a replaced one is found. */
export class Credentials {
  readonly #api: KubeApi;
  readonly #namespace: string;
  readonly #name: string;

  constructor(parts: { readonly api: KubeApi; readonly namespace: string; readonly name: string }) {
    this.#api = parts.api;
    this.#namespace = parts.namespace;
    this.#name = parts.name;
  }

  /** For messages. */
  get where(): string {
    return `Secret ${this.#namespace}/${this.#name}`;
  }

  /**
   * The values of some fields, in their order, without white space around.
   *
   * @throws CaStateError naming every field that is missing; never quotes a value. KubeError, KubeConnectionError
   */
  async read<Field extends string>(
    fields: readonly Field[],
    signal?: AbortSignal,
  ): Promise<Readonly<Record<Field, string>>> {
    const secret = await this.#get(signal);
    const found = fields.map((field) => [field, decoded(secret.data?.[field])] as const);
    const missing = found.filter(([, value]) => value === '').map(([field]) => field);
    if (missing.length > 0) {
      throw new CaStateError(
        `${this.where} lacks ${missing.join(' and ')}, or holds something else there than text`,
      );
    }
    return Object.fromEntries(found) as Record<Field, string>;
  }

  async #get(signal?: AbortSignal): Promise<Secret> {
    try {
      return await this.#api.get(
        SECRETS,
        { name: this.#name, namespace: this.#namespace },
        signal ? { signal } : {},
      );
    } catch (error) {
      if (!isNotFound(error)) throw error;
      throw new CaStateError(
        `${this.where} is missing; it holds the credentials of the certificate authority`,
      );
    }
  }
}

function decoded(value: unknown): string {
  if (typeof value !== 'string' || value.length > MAX_LENGTH) return '';
  return Buffer.from(value, 'base64').toString('utf8').trim();
}
