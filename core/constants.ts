/** Names and numbers that several rooms and every user agree on. Changing one is a change of the product's interface. */

export const API_GROUP = 'mesh.dev';
export const API_VERSION = 'v1alpha1';

/** The one MeshConfig object of a cluster. */
export const MESH_CONFIG_NAME = 'mesh';

/** The user the sidecar runs as; the redirection lets exactly this user's packets pass. */
export const SIDECAR_UID = 15777;

/** A sidecar may be spread over at most so many processes, and so use as many cores. */
export const MAX_SIDECAR_CORES = 16;

/** Names of what injection adds to a pod. */
export const SIDECAR_CONTAINER = 'mesh-sidecar';
export const REDIRECT_CONTAINER = 'mesh-redirect';

/** Volumes that injection adds, mounted into the sidecar alone: a token for the API server, and one that only the signer accepts. */
export const VOLUMES = {
  kubeToken: 'mesh-kube-token',
  caToken: 'mesh-ca-token',
} as const;

export const MOUNT_PATHS = {
  kubeToken: '/var/run/secrets/mesh.dev/kube',
  caToken: '/var/run/secrets/mesh.dev/ca',
} as const;

/** Audience of the token for the signer: this, and the mesh's trust domain. */
export const CA_AUDIENCE_PREFIX = 'mesh-ca.';

/** `spec.schedulerName` of the pods that stand for processes outside of pods: no scheduler has that name, so no node runs them. */
export const RUN_SCHEDULER = 'mesh-run';

/** The name of the operator's Kubernetes Service, and so the DNS name in its serving certificate. */
export const OPERATOR_SERVICE = 'mesh-operator';

/** The ConfigMap in the mesh's namespace that says where the operator is reached from outside of pods; not there where it is not. */
export const OPERATOR_ADDRESS_CONFIG_MAP = 'mesh-operator-address';

/**
 * Ports of a meshed pod. `admin` is reachable from other pods (health, metrics, rewritten probes); what changes or
 * reveals anything listens on `adminLocal`, on loopback.
 */
export const PORTS = {
  inbound: 20000,
  outbound: 15001,
  adminLocal: 15000,
  admin: 15020,
  agentApi: 8500,
  dns: 8600,
} as const;

/** What begins so, as a label or an annotation of a pod, only the mesh itself writes; admission refuses it from anybody else. */
export const RESERVED_PREFIX = `${API_GROUP}/`;

/** Labels the operator and the webhook put on objects they own or changed. They help to find objects; none of them grants anything. */
export const LABELS = {
  /** On injected pods: the logical service the pod stands for. */
  service: 'mesh.dev/service',
  /** On injected pods: `native` or `ordinary`, the sidecar style. */
  injected: 'mesh.dev/injected',
  /** On pods that stand for a process outside of pods, and on the Service that is only theirs. */
  run: 'mesh.dev/run',
  /** On pods whose namespace asks for the mesh and which cannot join it: why, a code of `left-out.ts`. */
  leftOut: 'mesh.dev/left-out',
  /** On objects the operator made. */
  managedBy: 'app.kubernetes.io/managed-by',
} as const;

export const MANAGED_BY_VALUE = 'mesh-operator';

/** What the annotations that users write on pods begin with. */
export const ANNOTATION_PREFIX = 'mesh/';

/** Annotations users write on pods (`inject` also as a label on a pod or a namespace). */
export const ANNOTATIONS = {
  inject: 'mesh/inject',
  service: 'mesh/service',
  upstreams: 'mesh/upstreams',
  transparent: 'mesh/transparent',
  skipInboundPorts: 'mesh/skip-inbound-ports',
  proxyProtocolPorts: 'mesh/proxy-protocol-ports',
  skipOutboundPorts: 'mesh/skip-outbound-ports',
  skipOutboundCidrs: 'mesh/skip-outbound-cidrs',
  logLevel: 'mesh/log-level',
  cpuRequest: 'mesh/cpu-request',
  cpuLimit: 'mesh/cpu-limit',
  memoryRequest: 'mesh/memory-request',
  memoryLimit: 'mesh/memory-limit',
  drainSeconds: 'mesh/drain-seconds',
  cores: 'mesh/cores',
  /** Written by `mesh run` on the pod that stands for its process: where the sidecar listens, when not at the usual port. */
  sidecarPort: 'mesh/sidecar-port',
  /** Written by injection: what was done, for people. Nothing reads it. */
  status: 'mesh/status',
} as const;
