import { isRegistration, podService } from '../../resources/pod.ts';
import type { Pod, Service } from '#kube/types.ts';

/**
 * Which of a namespace's pods each Kubernetes Service selects, found by the rarest label of its selector: the cost grows with
 * what matches, not with the number of pods times that of Services.
 */
export class SelectedPods {
  readonly #byLabel = new Map<string, Pod[]>();
  readonly #registrations = new Map<string, Pod[]>();

  constructor(pods: readonly Pod[]) {
    for (const pod of pods) {
      if (isRegistration(pod)) {
        push(this.#registrations, podService(pod) ?? '', pod);
        continue;
      }
      for (const [name, value] of Object.entries(pod.metadata.labels ?? {}))
        push(this.#byLabel, labelKey(name, value), pod);
    }
  }

  /**
   * The pods behind a Service. A process outside of pods is found by no selector, so that Kubernetes' own controllers leave it
   * alone; it stands behind the Service that has its service's name. A Service without a selector selects no pods.
   */
  behind({ metadata, spec }: Service): readonly Pod[] {
    const outside = this.#registrations.get(metadata.name) ?? [];
    const wanted = Object.entries(spec?.selector ?? {});
    if (wanted.length === 0) return outside;
    const lists = wanted.map(([name, value]) => this.#byLabel.get(labelKey(name, value)) ?? []);
    const rarest = lists.reduce((a, b) => (b.length < a.length ? b : a));
    const matches = ({ metadata: { labels } }: Pod): boolean =>
      wanted.every(([name, value]) => labels?.[name] === value);
    return [...rarest.filter(matches), ...outside];
  }
}

function labelKey(name: string, value: string): string {
  return `${name}=${value}`;
}

function push(map: Map<string, Pod[]>, key: string, pod: Pod): void {
  const list = map.get(key);
  if (list) list.push(pod);
  else map.set(key, [pod]);
}
