import { LABELS, OPERATOR_ADDRESS_CONFIG_MAP, PORTS } from '#core/constants.ts';
import { readConfig } from '#operator/config/config.ts';

import { NAMESPACE, find, render } from './render.ts';
import type { Manifest } from './render.ts';
import { describeHere, helm, operatorEnvironment, reason, renderBoth } from './testing/with-helm.ts';
import { CHANGED_VALUES } from './values.ts';

describeHere(`the ports in the chart${reason}`, () => {
  let defaults: Manifest[];
  let changed: Manifest[];
  beforeAll(async () => {
    [defaults, changed] = await renderBoth();
  });

  test('opens the bundle endpoint only when told so, on a Service of its own', () => {
    expect(readConfig(operatorEnvironment(defaults)).bundlePort).toBeUndefined();
    expect(defaults.some(({ metadata }) => metadata.name === 'mesh-bundle')).toBe(false);
    const port = readConfig(operatorEnvironment(changed)).bundlePort;
    const { containers } = find(changed, 'Deployment', 'mesh-operator').spec.template.spec;
    expect(containers[0].ports).toContainEqual({ name: 'bundle', containerPort: port });
    expect(find(changed, 'Service', 'mesh-bundle')).toMatchObject({
      metadata: { annotations: { 'lb.example/internal': 'true' } },
      spec: { type: 'LoadBalancer', ports: [{ port: 8443, targetPort: 'bundle' }] },
    });
  });

  test('lets machines outside join only when told so: otherwise nothing of it exists', () => {
    const words = /outside|mesh-run|mesh-operator-address/;
    for (const { metadata, kind } of defaults) expect(`${kind} ${metadata.name}`).not.toMatch(words);
    expect(readConfig(operatorEnvironment(defaults)).outsidePort).toBeUndefined();
    expect(JSON.stringify(find(defaults, 'Deployment', 'mesh-operator'))).not.toMatch(words);
    const port = readConfig(operatorEnvironment(changed)).outsidePort;
    const { containers } = find(changed, 'Deployment', 'mesh-operator').spec.template.spec;
    expect(containers[0].ports).toContainEqual({ name: 'outside', containerPort: port });
    expect(find(changed, 'Service', 'mesh-outside')).toMatchObject({
      metadata: { annotations: { 'lb.example/internal': 'false' } },
      spec: {
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        loadBalancerSourceRanges: ['198.51.100.0/24'],
        ports: [{ port: 9443, targetPort: 'outside', nodePort: 30443 }],
      },
    });
    expect(find(changed, 'ConfigMap', OPERATOR_ADDRESS_CONFIG_MAP)).toMatchObject({
      metadata: { namespace: NAMESPACE },
      data: { url: 'https://mesh.example.com:9443' },
    });
  });

  test('sends the API server to the port for webhooks, and sidecars to the one for certificates', () => {
    const { httpsPort, webhookPort } = readConfig(operatorEnvironment(defaults));
    const { containers } = find(defaults, 'Deployment', 'mesh-operator').spec.template.spec;
    const { ports } = find(defaults, 'Service', 'mesh-operator').spec;
    const [{ ports: open }] = containers as [{ ports: { name: string; containerPort: number }[] }];
    const target = (port: number): number | undefined => {
      const found = (ports as { port: number; targetPort: string }[]).find((one) => one.port === port);
      return open.find(({ name }) => name === found?.targetPort)?.containerPort;
    };
    expect([target(443), target(8443)]).toEqual([webhookPort, httpsPort]);
  });

  test('lets to each port of the operator those whom it is for, and to no other port anybody', async () => {
    const meshed = {
      namespaceSelector: {},
      podSelector: { matchExpressions: [{ key: 'mesh.dev/injected', operator: 'Exists' }] },
    };
    const operatorLabels = find(defaults, 'Deployment', 'mesh-operator').spec.selector;
    const spec = find(defaults, 'NetworkPolicy', 'mesh-operator').spec;
    expect(spec).toMatchObject({ podSelector: operatorLabels, policyTypes: ['Ingress'] });
    const port = (name: string) => [{ port: name, protocol: 'TCP' }];
    expect(spec.ingress).toEqual([
      { ports: port('https'), from: [meshed] },
      { ports: port('webhooks') },
      { ports: port('http') },
    ]);
    const { networkPolicy } = CHANGED_VALUES;
    const values = {
      ...CHANGED_VALUES,
      networkPolicy: { ...networkPolicy, operator: { ...networkPolicy.operator, enabled: true } },
    };
    const all = find(await render(helm, { values }), 'NetworkPolicy', 'mesh-operator').spec.ingress;
    expect(all).toEqual([
      { ports: port('https'), from: [meshed, ...networkPolicy.operator.bundleFrom] },
      { ports: port('webhooks'), from: [{ ipBlock: { cidr: '192.0.2.10/32' } }] },
      { ports: port('http'), from: [{ podSelector: {} }, ...networkPolicy.metricsFrom] },
      { ports: port('bundle') },
      { ports: port('outside'), from: [{ ipBlock: { cidr: '198.51.100.0/24' } }] },
    ]);
    const { containers } = find(changed, 'Deployment', 'mesh-operator').spec.template.spec;
    const [{ ports: open }] = containers as [{ ports: { name: string }[] }];
    const named = (all as { ports: { port: string }[] }[]).map(({ ports }) => ports[0]?.port);
    expect(named.sort()).toEqual(open.map(({ name }) => name).sort());
  });

  test('limits meshed pods to the ports of their sidecars in the namespaces that are named, and in no other', () => {
    const policies = (manifests: readonly Manifest[]): Manifest[] =>
      manifests.filter(
        ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'mesh-workloads',
      );
    expect(policies(defaults)).toEqual([]);
    expect(policies(changed).map(({ metadata }) => metadata.namespace)).toEqual(['shop', 'billing']);
    for (const { spec } of policies(changed)) {
      expect(spec).toMatchObject({
        podSelector: { matchExpressions: [{ key: LABELS.injected, operator: 'Exists' }] },
        policyTypes: ['Ingress'],
      });
      expect(spec.ingress).toEqual([
        { ports: [{ port: PORTS.inbound, protocol: 'TCP' }] },
        { ports: [{ port: PORTS.admin, protocol: 'TCP' }], from: CHANGED_VALUES.networkPolicy.metricsFrom },
      ]);
    }
    expect(
      changed.some(({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'mesh-operator'),
    ).toBe(false);
  });
});
