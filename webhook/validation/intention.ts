import { intentionFaults } from '#core/model/intention-faults.ts';
import type { IntentionSpec } from '#core/model/intention.ts';
import { WILDCARD } from '#core/names.ts';
import type { UncheckedObject } from './object.ts';
import type { Finding, ValidationContext } from './validate.ts';

/** Checks an Intention. Its services need not exist: rules may be written before them, so that is a warning. */
export function checkIntention(
  intention: UncheckedObject,
  old: UncheckedObject | undefined,
  { view, meshNamespace, now }: ValidationContext,
): Finding {
  const trustDomain = view.settings()?.trustDomain;
  const home = intention.metadata.namespace ?? '';
  const expiryIsNew = expiryOf(intention) !== expiryOf(old);
  const faults = intentionFaults(intention, {
    meshNamespace,
    ...(trustDomain === undefined ? {} : { trustDomain }),
    ...(expiryIsNew ? { now } : {}),
    others: view.intentions(home),
  });
  if (faults.length > 0) return { faults, warnings: [] };
  const { source, destination } = intention.spec as IntentionSpec;
  return {
    faults,
    warnings: [
      ...missing('destination', destination.service, destination.namespace ?? home, view),
      ...missing('source', source.service, source.namespace ?? home, view),
    ],
  };
}

function missing(
  end: 'source' | 'destination',
  service: string | undefined,
  namespace: string,
  view: ValidationContext['view'],
): string[] {
  if (service === undefined || service === WILDCARD || namespace === WILDCARD) return [];
  if (view.meshServices(namespace).some(({ metadata }) => metadata.name === service)) return [];
  return [`the ${end} ${namespace}/${service} does not exist yet; the rule counts as soon as it does`];
}

function expiryOf(intention: UncheckedObject | undefined): unknown {
  const spec = intention?.spec;
  return typeof spec === 'object' && spec !== null && 'expiresAt' in spec ? spec.expiresAt : undefined;
}
