import { caSettings } from '#core/model/ca-settings.ts';
import type { CaSettings } from '#core/model/ca-settings.ts';
import { meshConfigSpecSchema } from '#core/model/mesh-config.ts';
import type { MeshConfig, MeshConfigSpec } from '#core/model/mesh-config.ts';
import { meshSettings } from '#core/model/mesh-settings.ts';
import type { MeshSettings } from '#core/model/mesh-settings.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { Logger } from '#base/log.ts';

/**
 * What holds for the mesh now. Trust domain and datacenter are those the process started with, whatever anybody writes later: every
 * identity carries them. The rest follows the MeshConfig; one that cannot be read changes nothing.
 */
export class Settings {
  readonly #scope: IdentityScope;
  readonly #log: Logger;
  #current: MeshSettings;
  #ca: CaSettings;

  /** @param spec the MeshConfig's spec, or that of the chart when there is none yet; already checked */
  constructor(spec: MeshConfigSpec, log: Logger) {
    this.#log = log;
    this.#current = meshSettings(spec);
    this.#ca = caSettings(spec);
    this.#scope = { trustDomain: this.#current.trustDomain, datacenter: this.#current.datacenter };
  }

  get current(): MeshSettings {
    return this.#current;
  }

  /** What the root must be like. */
  get ca(): CaSettings {
    return this.#ca;
  }

  /** Trust domain and datacenter of every identity. */
  get scope(): IdentityScope {
    return this.#scope;
  }

  /** Takes in a changed MeshConfig. */
  take(config: MeshConfig): void {
    try {
      const spec = meshConfigSpecSchema.parse(config.spec ?? {});
      const current = { ...meshSettings(spec), ...this.#scope };
      this.#ca = caSettings(spec);
      this.#current = current;
    } catch (err) {
      this.#log.error({ err }, 'the MeshConfig cannot be read; the mesh goes on with what held before');
    }
  }
}
