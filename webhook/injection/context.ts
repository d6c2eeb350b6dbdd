import type { LogLevel } from '#core/pod-annotations.ts';

/** How a sidecar stands in a pod: an init container that goes on running (Kubernetes 1.29), or one more container. */
export type SidecarStyle = 'native' | 'ordinary';

export interface Quantities {
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
  /** Not to be guessed by others: the random uid of the admission request. Probes and hooks are reached under paths made from it. */
  readonly nonce: string;
}

export const VOLUMES = {
  kubeToken: 'mesh-kube-token',
  caToken: 'mesh-ca-token',
} as const;

export const MOUNT_PATHS = {
  kubeToken: '/var/run/secrets/mesh.dev/kube',
  caToken: '/var/run/secrets/mesh.dev/ca',
} as const;
