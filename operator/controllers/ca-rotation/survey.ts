import * as z from 'zod';

import { namespaceName } from '#core/names.ts';
import { serviceSpiffeId } from '#core/spiffe-id.ts';
import type { IdentityScope } from '#core/spiffe-id.ts';
import type { Pod } from '#kube/types.ts';

import type { ObjectCache } from '../../control-loop/cache.ts';
import type { ControlTarget } from '../../sidecar-commands/control-client.ts';
import { memberOf } from '../../resources/member.ts';
import type { MemberRules } from '../../resources/member.ts';
import { sidecarPort } from '../../resources/pod.ts';

/** What every sidecar says about roots, asked of each of them: whether the next phase of a rotation would cut anybody off. */
export interface SurveyDeps {
  /** Pods that are labelled as injected; only members are asked, so that no other can hold up a rotation by its silence. */
  readonly pods: ObjectCache<Pod>;
  readonly rules: MemberRules;
  readonly scope: IdentityScope;
  /** Asks a sidecar for its trust; throws when it does not answer. */
  readonly ask: (target: ControlTarget) => Promise<object>;
}

/** Sidecars by what they said, as `namespace/pod`. Roots by id. */
export interface SurveyResult {
  readonly asked: number;
  /** No answer, or one that cannot be read. */
  readonly silent: readonly string[];
  readonly answers: readonly SidecarAnswer[];
}

interface SidecarAnswer {
  readonly pod: string;
  readonly roots: readonly string[];
  readonly leans: readonly string[];
}

/** Roots of one mesh are few; what comes from a pod is bounded. */
const ids = z.array(z.string().regex(/^[0-9a-f]{64}$/)).max(32);
const answerSchema = z.object({ roots: ids, leans: ids });
/** Sidecars that are asked at the same time. */
const AT_ONCE = 32;

export class Survey {
  readonly #deps: SurveyDeps;

  constructor(deps: SurveyDeps) {
    this.#deps = deps;
  }

  /** Asks every sidecar once. Never rejects: who does not answer is among the silent. */
  async run(): Promise<SurveyResult> {
    const targets = [...this.#deps.pods.all()].flatMap((pod) => this.#target(pod) ?? []);
    const queue = targets.values();
    const answers: SidecarAnswer[] = [];
    const silent: string[] = [];
    const worker = async (): Promise<void> => {
      for (const { pod, target } of queue) {
        const read = answerSchema.safeParse(await this.#deps.ask(target).catch(() => undefined));
        if (read.success) answers.push({ pod, ...read.data });
        else silent.push(pod);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, targets.length) }, worker));
    return { asked: targets.length, silent: silent.sort(), answers };
  }

  /** A pod without an address has no certificate yet, and reads the roots before it asks for one. */
  #target(pod: Pod): { readonly pod: string; readonly target: ControlTarget } | undefined {
    const { namespace = '', name } = pod.metadata;
    const member = memberOf(pod, this.#deps.rules);
    const ip = pod.status?.podIP;
    if (!member || !ip) return undefined;
    const who = { namespace: namespaceName(namespace), service: member.service };
    const spiffeId = serviceSpiffeId(this.#deps.scope, who);
    const port = sidecarPort(pod);
    const target = { ip, spiffeId, ...(port === undefined ? {} : { port }) };
    return { pod: `${namespace}/${name}`, target };
  }
}

/**
 * Who stands in the way of a rotation's next phase, as a sentence's end; undefined when nobody does. Pure.
 *
 * @param wanted roots that everybody must trust
 * @param leaving a root on which nobody may lean
 */
export function hindrance(
  { asked, silent, answers }: SurveyResult,
  wanted: readonly string[],
  leaving: string | undefined,
): string | undefined {
  const unaware = answers.filter(({ roots }) => wanted.some((id) => !roots.includes(id)));
  const leaning = answers.filter(({ leans }) => leaving !== undefined && leans.includes(leaving));
  const deps = [
    some(silent, 'did not answer'),
    some(names(unaware), 'have not heard of the new root'),
    some(names(leaning), 'still lean on the other root'),
  ].filter((part) => part !== undefined);
  return deps.length > 0 ? `of ${asked} sidecars ${deps.join(', ')}` : undefined;
}

const SHOWN = 3;

function some(pods: readonly string[], what: string): string | undefined {
  if (pods.length === 0) return undefined;
  const shown = pods.slice(0, SHOWN).join(', ');
  return `${pods.length} ${what} (${shown}${pods.length > SHOWN ? ', …' : ''})`;
}

function names(answers: readonly SidecarAnswer[]): readonly string[] {
  return answers.map(({ pod }) => pod).sort();
}
