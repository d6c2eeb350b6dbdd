import { MESH_CONFIG_NAME } from '#core/constants.ts';
import type { MeshConfig } from '#core/model/mesh-config.ts';
import type { KubeApi } from '#kube/api.ts';
import type { Clock } from '#base/clock.ts';
import type { Logger } from '#base/log.ts';
import { Reflector } from '#kube/watch/reflector.ts';
import type { ReflectorStats } from '#kube/watch/reflector.ts';
import { MESH_CONFIGS } from '#kube/types.ts';

import { ChangeEmitter } from '#base/change-emitter.ts';
import { readTrust, sameTrust } from './trust-state.ts';
import type { TrustState } from './trust-state.ts';

export interface TrustDeps {
  readonly api: KubeApi;
  readonly clock: Clock;
  readonly log: Logger;
  /** See `ReflectorOptions.forbiddenCapMs`. */
  readonly forbiddenCapMs?: number;
}

/**
 * The mesh's settings and roots as the API server publishes them. What was once read holds until something better comes:
 * neither an API server that is gone nor a MeshConfig that cannot be read takes trust away.
 */
export class Trust {
  readonly #log: Logger;
  readonly #reflector: Reflector<MeshConfig>;
  readonly #listeners = new ChangeEmitter();
  #state: TrustState | undefined;
  #faults: readonly string[] = ['MeshConfig has not been read yet'];

  constructor(deps: TrustDeps) {
    this.#log = deps.log;
    this.#reflector = new Reflector({
      ...deps,
      type: MESH_CONFIGS,
      selection: { fieldSelector: `metadata.name=${MESH_CONFIG_NAME}` },
      onChange: (items) => this.#read(items.get(MESH_CONFIG_NAME)),
    });
  }

  start(): void {
    this.#reflector.start();
  }

  async stop(): Promise<void> {
    await this.#reflector.stop();
  }

  /** Undefined until settings and at least one root of our own trust domain were read. */
  current(): TrustState | undefined {
    return this.#state;
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  /** What of MeshConfig could not be read last time, in sentences. */
  get faults(): readonly string[] {
    return this.#faults;
  }

  get stats(): ReflectorStats {
    return this.#reflector.stats;
  }

  #read(config: MeshConfig | undefined): void {
    const { state, faults } = readTrust(config);
    if (faults.length > 0 && faults.join() !== this.#faults.join()) {
      this.#log.warn(
        { faults, kept: this.#state !== undefined },
        'MeshConfig is not entirely readable; what was read before holds',
      );
    }
    this.#faults = faults;
    if (!state || (this.#state && sameTrust(this.#state, state))) return;
    const first = !this.#state;
    this.#state = state;
    this.#log.info(
      {
        ...state.settings,
        roots: state.bundle.rootsOfAllDomains.length,
        trustDomains: state.bundle.trustDomains,
      },
      first ? 'trust read' : 'trust changed',
    );
    this.#listeners.emit();
  }
}
