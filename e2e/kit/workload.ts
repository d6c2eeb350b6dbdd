/** Kubernetes manifests of small test workloads, as objects. */

export interface WorkloadOptions {
  readonly namespace: string;
  readonly name: string;
  readonly command: readonly string[];
  /** Ports of its Service; none means that the workload has no Service. */
  readonly ports?: readonly number[];
  readonly replicas?: number;
  /** Default true: `mesh/inject: "true"`. */
  readonly meshed?: boolean;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  /** Default: a ServiceAccount of the workload's own name, which is created. */
  readonly serviceAccount?: string;
  readonly headless?: boolean;
  /** Merged into the container. */
  readonly container?: object;
  /** Merged into the pod's spec. */
  readonly pod?: object;
  /** Whether to wait for the first port to accept before the pod counts as ready. Default: when there are ports. */
  readonly probe?: boolean;
}

export const TOOLBOX_IMAGE = 'mesh.dev/e2e-toolbox:e2e';

/** The pod template of a test workload. */
export function podTemplate(options: WorkloadOptions): { metadata: object; spec: object } {
  const { name, ports = [], meshed = true } = options;
  const probe = options.probe ?? ports.length > 0;
  return {
    metadata: {
      labels: { app: name, ...options.labels },
      annotations: { ...(meshed ? { 'mesh/inject': 'true' } : {}), ...options.annotations },
    },
    spec: {
      serviceAccountName: options.serviceAccount ?? name,
      terminationGracePeriodSeconds: 20,
      containers: [
        {
          name,
          image: TOOLBOX_IMAGE,
          imagePullPolicy: 'Never',
          command: options.command,
          ports: ports.map((port) => ({ containerPort: port })),
          ...(probe ? { readinessProbe: { tcpSocket: { port: ports[0] }, periodSeconds: 1 } } : {}),
          ...options.container,
        },
      ],
      ...options.pod,
    },
  };
}

/** A Deployment with its ServiceAccount and, when it has ports, its Service. */
export function workload(options: WorkloadOptions): object[] {
  const { namespace, name, ports = [] } = options;
  const metadata = { name, namespace };
  return [
    ...(options.serviceAccount === undefined ? [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata }] : []),
    ...(ports.length > 0 ? [service(options)] : []),
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata,
      spec: {
        replicas: options.replicas ?? 1,
        selector: { matchLabels: { app: name } },
        template: podTemplate(options),
      },
    },
  ];
}

/** A workload that answers HTTP on port 8080. */
export function helloServer(options: Omit<WorkloadOptions, 'command'>): object[] {
  return workload({ ports: [8080], ...options, command: ['node', '/example/hello.mjs', 'server'] });
}

/** A workload that waits for programs to be run in it. */
export function idleClient(options: Omit<WorkloadOptions, 'command'>): object[] {
  return workload({ ...options, command: ['sleep', 'infinity'] });
}

/** The Service of a test workload. */
export function service(options: WorkloadOptions): object {
  const { namespace, name, ports = [] } = options;
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: {
      selector: { app: name },
      ...(options.headless ? { clusterIP: 'None' } : {}),
      ports: ports.map((port) => ({ name: `p${port}`, port })),
    },
  };
}

/** A Namespace object. */
export function namespace(name: string, labels: Readonly<Record<string, string>> = {}): object {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } };
}

export interface IntentionOptions {
  readonly namespace: string;
  readonly source:
    string | { readonly service?: string; readonly namespace?: string; readonly spiffeId?: string };
  readonly destination: string;
  readonly action: 'allow' | 'deny';
  readonly name?: string;
}

/** An Intention object. */
export function intention(options: IntentionOptions): object {
  const source = typeof options.source === 'string' ? { service: options.source } : options.source;
  const sourceName = source.service ?? 'spiffe';
  const plain = `${sourceName}-to-${options.destination}`.replaceAll('*', 'any');
  return {
    apiVersion: 'mesh.dev/v1alpha1',
    kind: 'Intention',
    metadata: { name: options.name ?? plain, namespace: options.namespace },
    spec: { source, destination: { service: options.destination }, action: options.action },
  };
}
