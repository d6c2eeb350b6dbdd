import type { MeshConfig } from '#core/model/mesh-config.ts';
import { meshSettings } from '#core/model/mesh-settings.ts';
import type { TestPki } from '#pki/testing/test-pki.fake.ts';
import { sha256Hex } from '#pki/keys.ts';
import { readCertificates } from '#pki/pem.ts';

import { ChangeEmitter } from '#base/change-emitter.ts';
import { readTrust } from './trust-state.ts';
import type { TrustState } from './trust-state.ts';

/** A MeshConfig `mesh` that publishes the roots of `pkis`; only the first is active unless `active` says otherwise. */
export function meshConfigOf(
  pkis: readonly TestPki[],
  active: TestPki | undefined = pkis[0],
  leafTTL = '24h',
): MeshConfig {
  return {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'MeshConfig',
    metadata: { name: 'mesh' },
    spec: { trustDomain: pkis[0]?.trustDomain ?? 'cluster.local', leafTTL },
    status: {
      roots: pkis.map((pki) => ({
        id: sha256Hex(readCertificates(pki.rootPem)[0]!.raw),
        pem: pki.rootPem,
        active: pki === active,
        notAfter: '2040-01-01T00:00:00Z',
      })),
    },
  };
}

/** Trust as a test sets it. */
export class FakeTrust {
  readonly #listeners = new ChangeEmitter();
  #state: TrustState | undefined;

  current(): TrustState | undefined {
    return this.#state;
  }

  onChange(listener: () => void): () => void {
    return this.#listeners.add(listener);
  }

  set(config: MeshConfig): void {
    const { state } = readTrust(config);
    this.#state = state ?? { ...this.#state!, settings: meshSettings(config.spec) };
    this.#listeners.emit();
  }
}
