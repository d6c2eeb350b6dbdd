import { ANNOTATIONS } from './constants.ts';
import { quoted } from './fault.ts';
import { isDnsLabel, nameFault } from './names.ts';
import type { ServiceName } from './names.ts';

/** What a pod says about itself. */
export interface PodNames {
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly serviceAccountName?: string;
}

const LABELS_TRIED = ['app.kubernetes.io/name', 'app'] as const;

/**
 * The one service a pod stands for: annotation `mesh/service`, else label `app.kubernetes.io/name`, else `app`, else its
 * ServiceAccount's name unless that is `default`. A name that is there but cannot be used is a fault, never passed over:
 * the pod would otherwise get an identity its author did not mean.
 *
 * @returns the name, or a sentence that says what to write
 */
export function serviceNameOfPod(
  pod: PodNames,
): { readonly service: ServiceName } | { readonly fault: string } {
  const annotated = pod.annotations?.[ANNOTATIONS.service];
  if (annotated !== undefined) {
    const names = annotated.split(',').map((name) => name.trim());
    if (names.length > 1) {
      return {
        fault: `annotation ${ANNOTATIONS.service} names ${names.length} services; one pod is one service: write one name, and run the other service in pods of its own`,
      };
    }
    return checked(`annotation ${ANNOTATIONS.service}`, annotated);
  }
  for (const label of LABELS_TRIED) {
    const labelled = pod.labels?.[label];
    if (labelled !== undefined && labelled !== '') return checked(`label ${label}`, labelled);
  }
  const account = pod.serviceAccountName;
  if (account !== undefined && account !== '' && account !== 'default')
    return checked('the ServiceAccount', account);
  return {
    fault: `nothing says which service this pod is; write the annotation ${ANNOTATIONS.service}: <name of the service>`,
  };
}

function checked(from: string, name: string): { readonly service: ServiceName } | { readonly fault: string } {
  if (isDnsLabel(name)) return { service: name as ServiceName };
  const fault = nameFault('', name)?.trim() ?? quoted(name);
  const advice = from.startsWith('annotation')
    ? ''
    : `; or write the annotation ${ANNOTATIONS.service}: <name of the service>`;
  return { fault: `${from} gives the service name: ${fault}${advice}` };
}
