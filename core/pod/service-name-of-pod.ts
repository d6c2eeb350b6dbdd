import { ANNOTATIONS } from '../constants.ts';
import { quoted } from '../fault.ts';
import { isDnsLabel, nameFault } from '../names.ts';
import type { ServiceName } from '../names.ts';
import { workloadOf } from './workload-of-pod.ts';
import type { PodOwner } from './workload-of-pod.ts';

/** What a pod says about itself. */
export interface PodNames {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly serviceAccountName?: string;
  /** Its controller, from `metadata.ownerReferences`. */
  readonly owner?: PodOwner;
}

export type NamedService = { readonly service: ServiceName } | { readonly fault: string };

const WHAT_TO_WRITE = `write the annotation ${ANNOTATIONS.service}: <name of the service>`;

/**
 * The one service a pod stands for: annotation `mesh/service`, else its ServiceAccount's name unless that is `default`, else the name of
 * the workload that made it (Deployment, StatefulSet, DaemonSet, CronJob or Job), else its label `app`. A name that is there but cannot
 * be used is a fault, never passed over: the pod would otherwise get an identity that its author did not mean.
 *
 * The ServiceAccount comes first because the API server authenticates it, and because it tells the parts of an application apart: the label
 * `app.kubernetes.io/name`, which most charts have, is the chart's name on every part of it, and is not looked at.
 *
 * @param now Unix time in milliseconds
 * @returns the name, or a sentence that says what to write
 */
export function serviceNameOfPod(pod: PodNames, now: number): NamedService {
  const annotated = pod.annotations?.[ANNOTATIONS.service];
  if (annotated !== undefined) return annotatedService(annotated);
  const account = pod.serviceAccountName;
  if (account !== undefined && account !== '' && account !== 'default')
    return checked(`the ServiceAccount ${quoted(account)}`, account);
  const workload = workloadOf(pod, now);
  if (workload) return checked(`the ${workload.kind} ${quoted(workload.name)}`, workload.name);
  const label = pod.labels?.['app'];
  if (label !== undefined && label !== '') return checked('label app', label);
  return {
    fault: `nothing says which service this pod is; ${WHAT_TO_WRITE}, or give it a ServiceAccount of its own`,
  };
}

function annotatedService(text: string): NamedService {
  const names = text.split(',', MAX_NAMES).map((name) => name.trim());
  if (names.length > 1) {
    return {
      fault: `annotation ${ANNOTATIONS.service} names ${names.length < MAX_NAMES ? names.length : 'many'} services; one pod is one service: write one name, and run the other service in pods of its own`,
    };
  }
  if (isDnsLabel(text)) return { service: text as ServiceName };
  return { fault: `annotation ${ANNOTATIONS.service} gives the service name: ${wrong(text)}` };
}

/** Of an annotation no more is looked at. */
const MAX_NAMES = 10;

function checked(from: string, name: string): NamedService {
  if (isDnsLabel(name)) return { service: name as ServiceName };
  return { fault: `${from} gives the service name: ${wrong(name)}; or ${WHAT_TO_WRITE}` };
}

function wrong(name: string): string {
  return nameFault('', name)?.trim() ?? quoted(name);
}
