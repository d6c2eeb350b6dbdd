import type { LogLevel } from '#base/log-level.ts';
import type { MeshService } from '#core/model/mesh-service.ts';
import type { SidecarStyle } from '#core/pod/sidecar-of-pod.ts';

export { MOUNT_PATHS, VOLUMES } from '#core/constants.ts';
export type { SidecarStyle } from '#core/pod/sidecar-of-pod.ts';

interface Quantities {
  readonly cpu?: string | undefined;
  readonly memory?: string | undefined;
}

/** What a sidecar gets where its pod's annotations say nothing. */
export interface SidecarDefaults {
  readonly resources?:
    { readonly requests?: Quantities | undefined; readonly limits?: Quantities | undefined } | undefined;
  readonly logLevel?: LogLevel | undefined;
  readonly drainSeconds?: number | undefined;
  /** Whether connections between two sidecars share one TLS connection; they do unless this says no. */
  readonly tunnel?: boolean | undefined;
  /** Cores that a sidecar may use; one unless this says more. */
  readonly cores?: number | undefined;
}

/** What holds where the installation says nothing either. */
export const BUILT_IN_DEFAULTS = {
  cpuRequest: '10m',
  memoryRequest: '64Mi',
  memoryLimit: '128Mi',
  logLevel: 'info',
} as const;

/** Everything injection depends on besides the pod; with the same pod and context the patch is the same. */
export interface InjectionContext {
  /** The namespace the pod is created in. */
  readonly namespace: string;
  readonly namespaceLabels: Readonly<Record<string, string>>;
  /** The mesh's own namespace. */
  readonly meshNamespace: string;
  readonly excludedNamespaces: readonly string[];
  readonly trustDomain: string;
  /** Image of sidecar and redirection. */
  readonly image: string;
  readonly pullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly style: SidecarStyle;
  readonly defaults: SidecarDefaults;
  /** Origin of the signing API, `https://mesh-operator.<namespace>.svc:8443`. */
  readonly operatorUrl: string;
  /** MeshServices of the pod's namespace, as far as its name and its ServiceAccount have to do with them. */
  readonly meshServices: readonly MeshService[];
  /** Unix time, milliseconds. */
  readonly now: number;
  /** Not to be guessed by others: the random uid of the admission request. Probes and hooks are reached under paths made from it. */
  readonly nonce: string;
}
