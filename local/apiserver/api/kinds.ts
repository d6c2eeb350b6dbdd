import { BUILT_IN_KINDS } from './built-in-kinds.ts';
import { definedKind } from './definition-kind.ts';
import type { ApiObject } from '../store/object.ts';
import type { ResourceKind } from './kind.ts';

/** Every kind the server knows: those of Kubernetes, and the mesh's own. */
export class Kinds {
  readonly all: readonly ResourceKind[];

  /** @param definitions CustomResourceDefinitions */
  constructor(definitions: readonly ApiObject[]) {
    this.all = [...BUILT_IN_KINDS, ...definitions.map(definedKind)];
  }

  find(group: string, version: string, plural: string): ResourceKind | undefined {
    return this.all.find(
      (kind) => kind.group === group && kind.version === version && kind.plural === plural,
    );
  }

  /** By `group/plural`. */
  byResource(resource: string): ResourceKind | undefined {
    return this.all.find(({ group, plural }) => `${group}/${plural}` === resource);
  }

  /** Groups with a name, each with its one version. */
  get groups(): ReadonlyMap<string, string> {
    return new Map(
      this.all.filter(({ group }) => group !== '').map(({ group, version }) => [group, version]),
    );
  }

  in(group: string, version: string): readonly ResourceKind[] {
    return this.all.filter((kind) => kind.group === group && kind.version === version);
  }
}
