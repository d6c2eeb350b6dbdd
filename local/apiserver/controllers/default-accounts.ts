import type { Logger } from '#base/log.ts';

import type { WriteOptions, Writer } from '../api/change/writer.ts';
import type { Kinds } from '../api/kinds.ts';
import type { ObjectStore } from '../store/object-store.ts';

export interface DefaultAccountsDeps {
  readonly store: ObjectStore;
  readonly kinds: Kinds;
  readonly writer: Pick<Writer, 'create'>;
  /** How the server itself writes. */
  readonly asServer: WriteOptions;
  readonly log: Logger;
}

const NAME = 'default';

/** Sees to it that every namespace has its ServiceAccount `default`, as Kubernetes' controller manager does: pods that name none act as it. */
export class DefaultAccounts {
  readonly #deps: DefaultAccountsDeps;
  readonly #unsubscribe: () => void;
  #isStopped = false;

  constructor(deps: DefaultAccountsDeps) {
    this.#deps = deps;
    for (const { metadata } of deps.store.list('/namespaces')) void this.#ensure(metadata.name);
    this.#unsubscribe = deps.store.subscribe(({ type, resource, object: { metadata } }) => {
      if (resource === '/namespaces' && type === 'ADDED') void this.#ensure(metadata.name);
      if (resource === '/serviceaccounts' && type === 'DELETED' && metadata.name === NAME)
        void this.#ensure(metadata.namespace ?? '');
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#unsubscribe();
  }

  /** Runs after the change it was told of, which must have reached everybody first. */
  async #ensure(namespace: string): Promise<void> {
    await Promise.resolve();
    const { kinds, writer, asServer, log } = this.#deps;
    const kind = kinds.byResource('/serviceaccounts');
    if (!kind || !this.#isMissing(namespace)) return;
    const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: NAME, namespace } };
    await writer.create(kind, namespace, account, { ...asServer, warnings: [] }).catch((err: unknown) => {
      // Somebody else may have made it meanwhile, or deleted the namespace.
      if (this.#isMissing(namespace))
        log.error({ err, namespace }, 'the default ServiceAccount could not be made');
    });
  }

  #isMissing(namespace: string): boolean {
    const { store } = this.#deps;
    const home = store.get('/namespaces', namespace);
    if (this.#isStopped || !home || home.metadata.deletionTimestamp) return false;
    return store.get('/serviceaccounts', `${namespace}/${NAME}`) === undefined;
  }
}
