import { Resolver } from 'node:dns/promises';
import { addresses, clusterDomain } from './addresses.ts';
import { kubectl } from './kubectl.ts';

/** Makes the Service `kube-dns`, whose only endpoint is our resolver on the node. */
export async function installDnsService(): Promise<void> {
  const metadata = {
    name: 'kube-dns',
    namespace: 'kube-system',
    labels: { 'kubernetes.io/name': 'KubeDNS' },
  };
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP' },
    { name: 'dns-tcp', port: 53, protocol: 'TCP' },
  ];
  const items = [
    { apiVersion: 'v1', kind: 'Service', metadata, spec: { clusterIP: addresses.dnsService, ports } },
    {
      apiVersion: 'v1',
      kind: 'Endpoints',
      metadata,
      subsets: [{ addresses: [{ ip: addresses.node }], ports }],
    },
  ];
  await kubectl(
    ['apply', '--validate=false', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  );
}

/** Whether the resolver answers, asked over its Service: that is how pods reach it. */
export async function dnsAnswers(): Promise<boolean> {
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([addresses.dnsService]);
  try {
    return (await resolver.resolve4(`kubernetes.default.svc.${clusterDomain}`)).includes(
      addresses.apiService,
    );
  } catch {
    return false;
  }
}
