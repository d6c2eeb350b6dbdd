/** The image of the pods below. */
export const verifyImage = 'mesh.dev/e2e-verify:1';
/** Where they run. */
export const verifyNamespace = 'mesh-e2e-verify';

/** An address that belongs to nobody (RFC 5737), so that only a redirection can lead anywhere. */
export const redirected = { nftables: '198.51.100.7', iptables: '198.51.100.8' };

/** What the init container does: both ways of redirecting connections, with NET_ADMIN and no other capability. */
const rules = `
nft -f - <<END
table inet verify {
  chain outgoing {
    type nat hook output priority -100; policy accept;
    ip daddr ${redirected.nftables} meta l4proto tcp redirect to :8080
  }
  chain incoming {
    type nat hook prerouting priority -100; policy accept;
    tcp dport 9999 redirect to :8080
  }
}
END
iptables-nft -t nat -A OUTPUT -p tcp -d ${redirected.iptables} -j REDIRECT --to-ports 8080
`;

const labels = { app: 'web' };

function service(name: string, spec: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace: verifyNamespace },
    spec: { selector: labels, ...spec },
  };
}

/** Two pods of a StatefulSet behind a Service and a headless Service. */
export const verifyManifest: object = {
  apiVersion: 'v1',
  kind: 'List',
  items: [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: verifyNamespace } },
    service('web', { ports: [{ name: 'http', port: 80, targetPort: 8080 }] }),
    service('headless', { clusterIP: 'None', ports: [{ name: 'http', port: 8080 }] }),
    {
      apiVersion: 'apps/v1',
      kind: 'StatefulSet',
      metadata: { name: 'web', namespace: verifyNamespace },
      spec: {
        replicas: 2,
        serviceName: 'headless',
        podManagementPolicy: 'Parallel',
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec: podSpec() },
      },
    },
  ],
};

function podSpec(): object {
  const image = { image: verifyImage, imagePullPolicy: 'Never' };
  const netAdmin = { runAsUser: 0, capabilities: { drop: ['ALL'], add: ['NET_ADMIN'] } };
  return {
    terminationGracePeriodSeconds: 1,
    initContainers: [{ name: 'rules', ...image, securityContext: netAdmin, command: ['sh', '-ec', rules] }],
    containers: [
      {
        name: 'web',
        ...image,
        readinessProbe: { httpGet: { port: 8080, path: '/' }, periodSeconds: 1 },
        volumeMounts: [{ name: 'token', mountPath: '/token' }],
      },
    ],
    volumes: [
      {
        name: 'token',
        projected: {
          sources: [{ serviceAccountToken: { audience: 'mesh.dev', expirationSeconds: 600, path: 'token' } }],
        },
      },
    ],
  };
}
