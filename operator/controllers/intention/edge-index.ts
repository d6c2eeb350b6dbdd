import type { Rule } from '#core/policy/rule.ts';

/** Which rules are about the same source and destination, kept up to date one rule at a time. */
export class EdgeIndex {
  readonly #rules = new Map<string, Rule>();
  readonly #keysByEdge = new Map<string, Set<string>>();

  /**
   * Takes in a rule, or forgets it.
   *
   * @param key `namespace/name` of the Intention
   * @returns the keys of the other rules whose situation may have changed: those on its old edge and on its new one
   */
  set(key: string, rule: Rule | undefined): ReadonlySet<string> {
    const affected = new Set([...this.#remove(key), ...(rule ? this.#add(key, rule) : [])]);
    affected.delete(key);
    return affected;
  }

  get(key: string): Rule | undefined {
    return this.#rules.get(key);
  }

  /**
   * The other rules on the same edge; overrides have edges of their own. A rule that could not be read shares its edge with
   * none.
   */
  others(key: string): readonly Rule[] {
    const rule = this.#rules.get(key);
    if (!rule || rule.unreadable) return [];
    const keys = [...(this.#keysByEdge.get(indexKey(rule)) ?? [])].sort();
    return keys.filter((other) => other !== key).flatMap((other) => this.#rules.get(other) ?? []);
  }

  #add(key: string, rule: Rule): readonly string[] {
    this.#rules.set(key, rule);
    if (rule.unreadable) return [];
    const edge = indexKey(rule);
    const keys = this.#keysByEdge.get(edge) ?? new Set<string>();
    this.#keysByEdge.set(edge, keys.add(key));
    return [...keys];
  }

  #remove(key: string): readonly string[] {
    const rule = this.#rules.get(key);
    this.#rules.delete(key);
    if (!rule || rule.unreadable) return [];
    const edge = indexKey(rule);
    const keys = this.#keysByEdge.get(edge);
    keys?.delete(key);
    if (keys?.size === 0) this.#keysByEdge.delete(edge);
    return [...(keys ?? [])];
  }
}

function indexKey(rule: Rule): string {
  return `${rule.precedence} ${edgeOf(rule)}`;
}

/** The edge of a rule as text, equal exactly when `sameEdge` of `core` says so. */
export function edgeOf(rule: Rule): string {
  return `${sourceOf(rule)} to ${destinationOf(rule)}`;
}

function sourceOf({ source }: Rule): string {
  return source.kind === 'spiffe' ? source.id : `${source.namespace}/${source.service}`;
}

function destinationOf({ destination }: Rule): string {
  return `${destination.namespace}/${destination.service}`;
}
