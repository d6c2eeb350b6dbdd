import * as z from 'zod';

/**
 * A pod as far as injection looks at it. What comes in is checked against this, so that nothing behind it meets a value
 * of the wrong type; all other fields pass through unseen.
 */

const strings = z.record(z.string(), z.string());
const portReference = z.union([z.number(), z.string()]);

const httpGetSchema = z.looseObject({
  path: z.string().nullish(),
  port: portReference,
  host: z.string().nullish(),
  scheme: z.string().nullish(),
  httpHeaders: z.array(z.looseObject({ name: z.string(), value: z.string().nullish() })).nullish(),
});

const tcpSocketSchema = z.looseObject({ port: portReference, host: z.string().nullish() });
const grpcSchema = z.looseObject({ port: z.number(), service: z.string().nullish() });

const probeSchema = z.looseObject({
  httpGet: httpGetSchema.nullish(),
  tcpSocket: tcpSocketSchema.nullish(),
  grpc: grpcSchema.nullish(),
  timeoutSeconds: z.number().nullish(),
});

const hookSchema = z.looseObject({ httpGet: httpGetSchema.nullish() });

const quantities = z.record(z.string(), z.union([z.string(), z.number()]));

export const containerSchema = z.looseObject({
  name: z.string(),
  resources: z.looseObject({ requests: quantities.nullish(), limits: quantities.nullish() }).nullish(),
  restartPolicy: z.string().nullish(),
  env: z.array(z.looseObject({ name: z.string(), value: z.string().nullish() })).nullish(),
  ports: z
    .array(
      z.looseObject({
        name: z.string().nullish(),
        containerPort: z.number(),
        protocol: z.string().nullish(),
      }),
    )
    .nullish(),
  volumeMounts: z.array(z.looseObject({ name: z.string(), mountPath: z.string() })).nullish(),
  livenessProbe: probeSchema.nullish(),
  readinessProbe: probeSchema.nullish(),
  startupProbe: probeSchema.nullish(),
  lifecycle: z.looseObject({ postStart: hookSchema.nullish(), preStop: hookSchema.nullish() }).nullish(),
  securityContext: z
    .looseObject({
      runAsUser: z.number().nullish(),
      privileged: z.boolean().nullish(),
      capabilities: z.looseObject({ add: z.array(z.string()).nullish() }).nullish(),
    })
    .nullish(),
});

const volumeSchema = z.looseObject({
  name: z.string(),
  projected: z
    .looseObject({
      sources: z
        .array(
          z.looseObject({
            serviceAccountToken: z.looseObject({ audience: z.string().nullish() }).nullish(),
          }),
        )
        .nullish(),
    })
    .nullish(),
});

const ownerSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  controller: z.boolean().nullish(),
});

export const podSchema = z.looseObject({
  metadata: z
    .looseObject({
      name: z.string().nullish(),
      generateName: z.string().nullish(),
      labels: strings.nullish(),
      annotations: strings.nullish(),
      ownerReferences: z.array(ownerSchema).nullish(),
    })
    .nullish(),
  spec: z.looseObject({
    containers: z.array(containerSchema).min(1),
    initContainers: z.array(containerSchema).nullish(),
    volumes: z.array(volumeSchema).nullish(),
    hostNetwork: z.boolean().nullish(),
    serviceAccountName: z.string().nullish(),
    terminationGracePeriodSeconds: z.number().nullish(),
    nodeSelector: strings.nullish(),
    os: z.looseObject({ name: z.string() }).nullish(),
    resources: z.looseObject({}).nullish(),
    securityContext: z.looseObject({ runAsUser: z.number().nullish() }).nullish(),
  }),
});

export type Pod = z.infer<typeof podSchema>;
export type Container = z.infer<typeof containerSchema>;
export type Probe = z.infer<typeof probeSchema>;
export type HttpGet = z.infer<typeof httpGetSchema>;

/** How people know the pod: its name, or what its name will begin with. */
export function podLabel(pod: Pod): string {
  return pod.metadata?.name ?? pod.metadata?.generateName ?? 'without a name';
}

/** A container with its place in the pod, for patches. */
export interface PlacedContainer {
  readonly container: Container;
  readonly path: readonly ['spec', 'containers' | 'initContainers' | 'ephemeralContainers', number];
}

/** Every container of the pod, init containers first. */
export function placedContainers(pod: Pod): readonly PlacedContainer[] {
  const place = (list: 'containers' | 'initContainers') => (container: Container, index: number) => ({
    container,
    path: ['spec', list, index] as const,
  });
  return [
    ...(pod.spec.initContainers ?? []).map(place('initContainers')),
    ...pod.spec.containers.map(place('containers')),
  ];
}

/** Whether a container runs as long as the pod does: an application container, or a native sidecar of the user's own. */
export function runsWithThePod({ container, path }: PlacedContainer): boolean {
  return path[1] === 'containers' || container.restartPolicy === 'Always';
}
