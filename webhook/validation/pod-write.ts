import * as z from 'zod';

import { ANNOTATIONS, LABELS, RESERVED_PREFIX, RUN_SCHEDULER } from '#core/constants.ts';
import type { Fault } from '#core/fault.ts';
import { quoted } from '#core/fault.ts';
import { isDnsLabel } from '#core/names.ts';
import { sidecarOfPod } from '#core/pod/sidecar-of-pod.ts';
import type { InjectionContext } from '../injection/context.ts';
import { containerSchema, podSchema } from '../injection/pod.ts';
import type { Pod } from '../injection/pod.ts';
import { obstaclesOf } from '../injection/obstacles.ts';
import { sizeRefusals } from '../injection/pod-size.ts';
import { intrusions } from '../injection/refusals.ts';
import { serviceNameOf } from '../injection/service-name.ts';
import type { Wish } from '../injection/should-inject.ts';
import { injectionIntent } from '../injection/should-inject.ts';

/**
 * What the mesh has against a pod as it is written, whoever writes it: labels and annotations `mesh.dev/…` that injection would not have
 * written, changes of them, and containers for debugging in the sidecar's place. The operator trusts none of these labels
 * (`operator/resources/member.ts`); that they are right keeps people, selectors and the operator's caches from being misled. Pure.
 */

export interface PodWrite {
  readonly operation: 'CREATE' | 'UPDATE';
  readonly namespace: string;
  readonly subResource: string | undefined;
  readonly object: unknown;
  readonly old: unknown;
}

export type PodWriteRules = Pick<InjectionContext, 'meshNamespace' | 'excludedNamespaces' | 'now'> & {
  /** Whether processes outside of pods may join. */
  readonly outside: boolean;
};

const strings = z.record(z.string(), z.string()).nullish();
const metadataSchema = z.looseObject({
  metadata: z.looseObject({ labels: strings, annotations: strings }).nullish(),
});
const debugSchema = z.looseObject({
  spec: z.looseObject({ ephemeralContainers: z.array(containerSchema).nullish() }),
});

/** More than what injection adds to any list of a pod. */
const OWN_PARTS = 16;
/** More than this is not reported at once. */
const MAX_FAULTS = 16;

/** What is wrong, each with what to write instead. Never throws. */
export function podWriteFaults(write: PodWrite, rules: PodWriteRules): readonly Fault[] {
  return allFaults(write, rules).slice(0, MAX_FAULTS);
}

function allFaults(write: PodWrite, rules: PodWriteRules): readonly Fault[] {
  if (write.operation === 'CREATE') return createFaults(write, rules);
  return write.subResource === 'ephemeralcontainers' ? debugFaults(write) : changeFaults(write);
}

/** A label or an annotation of ours. */
interface ReservedKey {
  readonly map: 'labels' | 'annotations';
  readonly key: string;
  readonly value: string;
}

function reservedKeys(object: unknown): readonly ReservedKey[] {
  const { metadata } = metadataSchema.safeParse(object).data ?? {};
  return (['labels', 'annotations'] as const).flatMap((map) =>
    Object.entries(metadata?.[map] ?? {})
      .filter(([key]) => key.startsWith(RESERVED_PREFIX))
      .map(([key, value]) => ({ map, key, value })),
  );
}

function changeFaults({ object, old }: PodWrite): Fault[] {
  const before = byField(reservedKeys(old));
  const after = byField(reservedKeys(object));
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (field) => before.get(field) !== after.get(field),
  );
  return changed.map((field) => ({
    field,
    message: 'is written by the mesh alone, and stays as it is for the life of the pod; leave it as it was',
  }));
}

function byField(keys: readonly ReservedKey[]): ReadonlyMap<string, string> {
  return new Map(keys.map((one) => [fieldOf(one), one.value]));
}

function createFaults(write: PodWrite, rules: PodWriteRules): readonly Fault[] {
  const keys = reservedKeys(write.object);
  if (keys.length === 0) return [];
  const oversize = sizeRefusals(write.object, { own: OWN_PARTS });
  if (oversize.length > 0) return oversize.map(({ field, message }) => ({ field, message }));
  const { data: pod } = podSchema.safeParse(write.object);
  if (!pod) return keys.map((one) => byHand(one, 'the pod cannot be read'));
  const value = (key: string): string | undefined =>
    keys.find((one) => one.map === 'labels' && one.key === key)?.value;
  if (value(LABELS.run) !== undefined) return registrationFaults(pod, keys, rules);
  const leftOut = value(LABELS.leftOut);
  if (leftOut !== undefined && leftOut === leftOutReason(pod, write, rules))
    return keys
      .filter(({ map, key }) => map !== 'labels' || key !== LABELS.leftOut)
      .map((one) => byHand(one));
  const injection = injectionOf(pod, write, rules);
  if ('fault' in injection) return keys.map((one) => byHand(one, injection.fault));
  return keys.flatMap((one) =>
    one.map === 'labels' && injection.labels[one.key] === one.value ? [] : [byHand(one)],
  );
}

/** As if the namespace asked for the mesh: the injecting webhook is told whether it does, and our cache may not know it yet. */
function wishIn(pod: Pod, { namespace }: PodWrite, rules: PodWriteRules): Wish {
  return injectionIntent(pod, { ...rules, namespace, namespaceLabels: { [ANNOTATIONS.inject]: 'true' } });
}

/** Why injection leaves this very pod out; undefined when it would not. */
function leftOutReason(pod: Pod, write: PodWrite, rules: PodWriteRules): string | undefined {
  const wish = wishIn(pod, write, rules);
  if ('fault' in wish || !wish.inject || wish.explicit) return undefined;
  return obstaclesOf(pod, wish, rules.now).refusals[0]?.reason;
}

/** The labels that injection writes on this very pod; a sentence when it would not inject it. */
function injectionOf(
  pod: Pod,
  write: PodWrite,
  rules: PodWriteRules,
): { readonly labels: Readonly<Record<string, string>> } | { readonly fault: string } {
  const wish = wishIn(pod, write, rules);
  if ('fault' in wish) return wish;
  if (!wish.inject)
    return {
      fault: wish.reason === 'not-asked' ? 'the pod says that it is not to be injected' : wish.unchanged,
    };
  const sidecar = sidecarOfPod(pod.spec);
  if ('fault' in sidecar) return sidecar;
  const named = serviceNameOf(pod, rules.now);
  if ('fault' in named) return named;
  if (named.service !== sidecar.service)
    return { fault: `its sidecar is made for ${sidecar.service}, and the pod is named ${named.service}` };
  return { labels: { [LABELS.service]: sidecar.service, [LABELS.injected]: sidecar.style } };
}

/** A pod that only stands for a process outside, as `mesh run` makes it. */
function registrationFaults(pod: Pod, keys: readonly ReservedKey[], { outside }: PodWriteRules): Fault[] {
  const { spec } = pod;
  const field = `metadata.labels["${LABELS.run}"]`;
  const service = keys.find(({ key }) => key === LABELS.service)?.value ?? '';
  const faults: Fault[] = [];
  if (!outside)
    faults.push({
      field,
      message:
        'processes outside of pods may not join this mesh (the chart allows it with outside.enabled); remove it',
    });
  if (spec['schedulerName'] !== RUN_SCHEDULER || spec['nodeName'] || spec.hostNetwork === true)
    faults.push({
      field,
      message: `marks pods that mesh run makes (scheduler ${RUN_SCHEDULER}, no node), and is written by the mesh alone; remove it`,
    });
  if (!isDnsLabel(service) || service !== spec.serviceAccountName)
    faults.push({
      field: `metadata.labels["${LABELS.service}"]`,
      message: 'names another service than the ServiceAccount of this registration; let mesh run make it',
    });
  const known: readonly string[] = [LABELS.run, LABELS.service, LABELS.injected];
  const more = keys.filter(({ map, key }) => map !== 'labels' || !known.includes(key));
  return [...faults, ...more.map((one) => byHand(one))];
}

/** Of a pod that is in the mesh; only containers that are new. */
function debugFaults({ object, old }: PodWrite): readonly Fault[] {
  if ('fault' in sidecarOfPod(podSchema.safeParse(old).data?.spec)) return [];
  const containersOf = (pod: unknown) => debugSchema.safeParse(pod).data?.spec.ephemeralContainers ?? [];
  const there = new Set(containersOf(old).map(({ name }) => name));
  return containersOf(object).flatMap((container, index) =>
    there.has(container.name)
      ? []
      : intrusions({ container, path: ['spec', 'ephemeralContainers', index] as const }),
  );
}

function byHand(one: ReservedKey, why?: string): Fault {
  return {
    field: fieldOf(one),
    message: `is written by the mesh alone, when it brings a pod in${why === undefined ? '' : ` (${why})`}; remove it, and write the annotation ${ANNOTATIONS.inject}: "true" to bring the pod in`,
  };
}

function fieldOf({ map, key }: ReservedKey): string {
  return `metadata.${map}[${quoted(key)}]`;
}
