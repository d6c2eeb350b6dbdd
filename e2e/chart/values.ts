/** A certificate authority nobody has the key of. */
const PARTNER_ROOT = `-----BEGIN CERTIFICATE-----
MIIBlTCCATugAwIBAgIUAeclLC9jSyg1PW8QNdjahnifyRMwCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMcGFydG5lciByb290MCAXDTI2MTEyMjA3NDI1NVoYDzIxMjYx
MDI5MDc0MjU1WjAXMRUwEwYDVQQDDAxwYXJ0bmVyIHJvb3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAATxg5O4sSZV2VYI7Bl1VI7hcAwgHF7jO1gjlQ9Rz6B2OX0F
5OYl/mcuLOxppdBwwz61WN571CoNCwQngeznejH0o2MwYTAdBgNVHQ4EFgQUDyp/
gszwHiRmFJ0+2n++VKD279gwHwYDVR0jBBgwFoAUDyp/gszwHiRmFJ0+2n++VKD2
79gwDwYDVR0TAQH/BAUwAwEB/zAOBgNVHQ8BAf8EBAMCAQYwCgYIKoZIzj0EAwID
SAAwRQIhANZKDLUd4mEkdOucImoYAgtTkfteNPxLL9ZMcCLTjqiMAiATuV2lD3Fc
wNP4D0BlYP9sksiMQ3ezD55UbouYyqY5tg==
-----END CERTIFICATE-----
`;

/** Every value of the chart, each other than its default. A test holds this complete. */
export const CHANGED_VALUES = {
  mesh: {
    trustDomain: 'prod.example',
    datacenter: 'eu-1',
    defaultAction: 'allow',
    leafTTL: '1h30m',
    ca: { provider: 'step-ca', config: { address: 'https://ca.example', provisioner: 'mesh' } },
    federation: [{ trustDomain: 'partner.example', bundle: PARTNER_ROOT }],
  },
  bundleEndpoint: {
    enabled: true,
    service: { type: 'LoadBalancer', port: 8443, annotations: { 'lb.example/internal': 'true' } },
  },
  outside: {
    enabled: true,
    operatorAddress: 'mesh.example.com:9443',
    service: {
      type: 'LoadBalancer',
      port: 9443,
      nodePort: 30443,
      sourceRanges: ['198.51.100.0/24'],
      annotations: { 'lb.example/internal': 'false' },
    },
  },
  imageRegistry: 'registry.example/team/',
  imagePullSecrets: ['registry-credentials'],
  operator: {
    image: { repository: 'control', tag: '9.9', digest: '', pullPolicy: 'Always' },
    replicas: 3,
    logLevel: 'debug',
    audit: { enabled: true, existingClaim: 'mesh-audit' },
    vaultToken: true,
    resources: { requests: { cpu: '100m', memory: '100Mi' }, limits: { cpu: '2', memory: '300Mi' } },
    priorityClassName: 'system-cluster-critical',
    nodeSelector: { disk: 'fast' },
    tolerations: [{ key: 'infra', operator: 'Exists' }],
    affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
    topologySpreadConstraints: [{ maxSkew: 2, topologyKey: 'rack', whenUnsatisfiable: 'ScheduleAnyway' }],
    podAnnotations: { team: 'a' },
    podLabels: { team: 'b' },
    podDisruptionBudget: { enabled: true, maxUnavailable: '50%' },
  },
  sidecar: {
    image: { repository: 'proxy', tag: '', digest: `sha256:${'ab'.repeat(32)}`, pullPolicy: 'Never' },
    logLevel: 'warn',
    drainSeconds: 9,
    tunnel: false,
    cores: 2,
    resources: { requests: { cpu: '20m', memory: '70Mi' }, limits: { cpu: '1', memory: '140Mi' } },
  },
  webhook: { excludedNamespaces: ['legacy', 'vendor'] },
  networkPolicy: {
    operator: {
      enabled: false,
      apiServerAddresses: ['192.0.2.10/32'],
      bundleFrom: [{ namespaceSelector: { matchLabels: { team: 'spire' } } }],
    },
    metricsFrom: [{ namespaceSelector: { matchLabels: { team: 'monitoring' } } }],
    workloads: { namespaces: ['shop', 'billing'] },
  },
  crds: { keep: true },
  rbac: { aggregate: false },
} as const;
