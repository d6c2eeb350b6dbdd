/** Pods as the API server sends them to admission, one for each kind of owner and each thing injection must mind. */

const meta = (app: string, annotations: Record<string, string> = {}) => ({
  generateName: `${app}-7c9d8f6b5-`,
  labels: { app, 'pod-template-hash': '7c9d8f6b5' },
  annotations: { 'mesh/inject': 'true', ...annotations },
});

const tokenMount = {
  name: 'kube-api-access-x2x4z',
  mountPath: '/var/run/secrets/kubernetes.io/serviceaccount',
  readOnly: true,
};

const container = (name: string, more: object = {}) => ({
  name,
  image: `${name}:1`,
  resources: {},
  terminationMessagePath: '/dev/termination-log',
  imagePullPolicy: 'IfNotPresent',
  ...more,
});

const timing = {
  initialDelaySeconds: 2,
  timeoutSeconds: 1,
  periodSeconds: 10,
  successThreshold: 1,
  failureThreshold: 3,
};

/** Of a Deployment: one container, one probe, named port. */
const deployment = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: meta('web'),
  spec: {
    serviceAccountName: 'web',
    terminationGracePeriodSeconds: 30,
    containers: [
      container('web', {
        ports: [{ name: 'http', containerPort: 8080, protocol: 'TCP' }],
        readinessProbe: { httpGet: { path: '/healthz?full=1', port: 'http', scheme: 'HTTP' }, ...timing },
        volumeMounts: [tokenMount],
      }),
    ],
    volumes: [{ name: 'kube-api-access-x2x4z', projected: { sources: [] } }],
  },
};

/** Of a StatefulSet, which names the service, with a fixed name, init containers, every kind of probe and hook, and several containers. */
const statefulSet = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: 'db-0',
    generateName: 'db-',
    labels: {
      'app.kubernetes.io/name': 'chart',
      app: 'ignored',
      'statefulset.kubernetes.io/pod-name': 'db-0',
    },
    ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'db', uid: 'o', controller: true }],
    annotations: {
      'mesh/inject': 'true',
      'mesh/upstreams': 'cache.shop:6380, audit:9191:443',
      'mesh/skip-inbound-ports': '22,8081-8083',
      'mesh/skip-outbound-cidrs': '169.254.169.254',
      'mesh/log-level': 'debug',
      'mesh/memory-limit': '512Mi',
      'mesh/cpu-limit': '1',
      'mesh/drain-seconds': '20',
      'kubectl.kubernetes.io/default-container': 'exporter',
    },
  },
  spec: {
    hostname: 'db-0',
    subdomain: 'db',
    serviceAccountName: 'default',
    terminationGracePeriodSeconds: 60,
    initContainers: [container('fetch'), container('migrate')],
    containers: [
      container('postgres', {
        ports: [{ name: 'pg', containerPort: 5432 }],
        startupProbe: { tcpSocket: { port: 'pg' }, ...timing, failureThreshold: 60 },
        livenessProbe: { exec: { command: ['pg_isready'] }, ...timing },
        readinessProbe: { tcpSocket: { port: 5432 }, ...timing, timeoutSeconds: 5 },
        lifecycle: {
          postStart: { exec: { command: ['true'] } },
          preStop: {
            httpGet: {
              path: '/leave',
              port: 8008,
              scheme: 'HTTP',
              httpHeaders: [{ name: 'X-Why', value: 'stop $(NOW)' }],
            },
          },
        },
      }),
      container('exporter', {
        ports: [
          { name: 'metrics', containerPort: 9187 },
          { name: 'ctl', containerPort: 9999 },
          { name: 'gossip', containerPort: 7946, protocol: 'UDP' },
        ],
        startupProbe: { httpGet: { host: 'status.example.org', path: '/', port: 80 }, ...timing },
        livenessProbe: {
          httpGet: {
            path: '/live',
            port: 'metrics',
            scheme: 'HTTPS',
            httpHeaders: [{ name: 'Authorization', value: 'Bearer x' }],
          },
          ...timing,
          terminationGracePeriodSeconds: 10,
        },
        readinessProbe: { grpc: { port: 9187, service: 'ready' }, ...timing },
        lifecycle: {
          postStart: { httpGet: { port: 9999, scheme: 'HTTP' } },
          preStop: { sleep: { seconds: 5 } },
        },
      }),
    ],
    volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data-db-0' } }],
  },
};

/** Of a Job: it ends; the service is named by the ServiceAccount. */
const job = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    generateName: 'report-',
    labels: { 'job-name': 'report', 'controller-uid': 'x', 'mesh/inject': 'true' },
  },
  spec: {
    restartPolicy: 'Never',
    serviceAccountName: 'report',
    containers: [container('report', { command: ['report'] })],
  },
};

/** Of a DaemonSet: privileged, tolerant, without redirection. */
const daemonSet = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: meta('agent', { 'mesh/transparent': 'false', 'mesh/upstreams': 'collector:4317' }),
  spec: {
    nodeSelector: { 'kubernetes.io/os': 'linux' },
    tolerations: [{ operator: 'Exists' }],
    securityContext: { runAsUser: 1000, fsGroup: 1000 },
    containers: [container('agent', { securityContext: { privileged: true } })],
  },
};

/** A bare pod, as little as there may be. */
const bare = {
  metadata: { name: 'shell', annotations: { 'mesh/inject': 'true', 'mesh/service': 'shell' } },
  spec: { containers: [{ name: 'shell', image: 'shell:1' }] },
};

/** With a native sidecar of its own and resources for the pod as a whole. */
const ownSidecar = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: meta('queue', { 'mesh/cpu-request': '20m' }),
  spec: {
    resources: { limits: { memory: '1Gi', cpu: '1' } },
    initContainers: [
      container('logs', {
        restartPolicy: 'Always',
        ports: [{ name: 'logs', containerPort: 2020 }],
        startupProbe: { httpGet: { path: '/', port: 'logs' }, periodSeconds: 1 },
      }),
      container('setup', { livenessProbe: null }),
    ],
    containers: [container('queue', { securityContext: { capabilities: { add: ['NET_ADMIN'] } } })],
  },
};

export const PODS = { deployment, statefulSet, job, daemonSet, bare, ownSidecar } as const;
