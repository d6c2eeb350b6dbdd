import { intentionFaults } from '#core/model/intention-faults.ts';
import { intentionWarnings } from '#core/model/intention-warnings.ts';
import type { IntentionSpec } from '#core/model/intention.ts';
import type { UncheckedObject } from './object.ts';
import type { CheckContext, Finding } from './finding.ts';

/** Checks an Intention. It is refused for what is wrong with itself alone; what depends on others or on the time is a warning. */
export function checkIntention(
  intention: UncheckedObject,
  _old: UncheckedObject | undefined,
  { meshNamespace, trustDomain, now, intentions, meshServices }: CheckContext,
): Finding {
  const faults = intentionFaults(intention, {
    meshNamespace,
    ...(trustDomain === undefined ? {} : { trustDomain }),
  });
  if (faults.length > 0) return { faults, warnings: [] };
  const { metadata, spec } = intention;
  const services = new Set(meshServices().map((service) => service.metadata.name));
  return {
    faults,
    warnings: intentionWarnings(
      { metadata, spec: spec as IntentionSpec },
      { meshNamespace, now, intentions: intentions(), services },
    ),
  };
}
