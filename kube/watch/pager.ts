import type { KubeObject } from '#core/resource.ts';
import type { KubeApi, ListPage, ResourceType, Selection } from '../api.ts';
import { KubeAnswerTooLongError, isGone } from '../errors.ts';

export interface PagerOptions<T extends KubeObject> {
  readonly api: Pick<KubeApi, 'list'>;
  readonly type: ResourceType<T>;
  readonly selection: Selection | undefined;
  /** Objects per page to begin with. */
  readonly pageSize: number;
}

/** By so much pages get larger when they expired, and shorter when one was too long. */
const LARGER = 10;
const SHORTER = 8;

/**
 * Lists objects in pages. Their length adapts and is kept from list to list: shorter where the objects are so large that a page
 * would not be read, larger where pages expired before they were read (a slow or very busy server).
 */
export class Pager<T extends KubeObject> {
  readonly #options: PagerOptions<T>;
  #pageSize: number;

  constructor(options: PagerOptions<T>) {
    this.#options = options;
    this.#pageSize = options.pageSize;
  }

  /** @throws KubeError 410 when the pages expired; the next list has larger ones */
  async *list(signal: AbortSignal): AsyncGenerator<ListPage<T>> {
    let page = await this.#page(undefined, signal);
    for (;;) {
      yield page;
      if (page.continueToken === undefined) return;
      try {
        page = await this.#page(page.continueToken, signal);
      } catch (error) {
        if (isGone(error)) this.#pageSize *= LARGER;
        throw error;
      }
    }
  }

  async #page(continueToken: string | undefined, signal: AbortSignal): Promise<ListPage<T>> {
    const { api, type, selection } = this.#options;
    for (;;) {
      const limit = this.#pageSize;
      const wanted = { ...selection, limit, ...(continueToken === undefined ? {} : { continueToken }) };
      try {
        return await api.list(type, wanted, { signal });
      } catch (error) {
        if (!(error instanceof KubeAnswerTooLongError) || limit === 1) throw error;
        this.#pageSize = Math.max(1, Math.floor(limit / SHORTER));
      }
    }
  }
}
