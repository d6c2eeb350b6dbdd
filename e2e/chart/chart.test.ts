import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { jest } from '@jest/globals';
import { parse } from 'yaml';

import { isRecord } from '#base/record.ts';
import { LABELS, OPERATOR_ADDRESS_CONFIG_MAP, PORTS } from '#core/constants.ts';
import { readConfig } from '#operator/config/config.ts';
import {
  CLUSTER_PERMISSIONS,
  NAMESPACE_PERMISSIONS,
  OUTSIDE_PERMISSIONS,
  RUN_LOOKUP_PERMISSIONS,
  RUN_PERMISSIONS,
} from '#operator/composition/permissions.ts';

import { run } from '../cluster/command.ts';
import { NO_HELM, helmPath } from '../helm.ts';
import { CHART, NAMESPACE, find, refusal, render } from './render.ts';
import type { Manifest } from './render.ts';
import { CHANGED_VALUES } from './values.ts';

// Each test starts Helm once or more, on machines that may be busy.
jest.setTimeout(120_000);

// Skipped where there is no Helm and none can be built: what is tested is what Helm itself makes of the chart.
const found = await helmPath();
const helm = found ?? '';
const describeHere = found === undefined ? describe.skip : describe;
const reason = found === undefined ? ` (skipped: ${NO_HELM})` : '';

const POD_KINDS = ['Deployment', 'Job', 'Pod'];

function podsOf(manifests: readonly Manifest[]): [string, Manifest['spec']][] {
  return manifests
    .filter(({ kind }) => POD_KINDS.includes(kind))
    .map(({ kind, metadata, spec }) => [
      `${kind} ${metadata.name}`,
      kind === 'Pod' ? spec : spec.template.spec,
    ]);
}

/** The operator's environment as the process will see it. */
function operatorEnvironment(manifests: readonly Manifest[]): Record<string, string> {
  const env = find(manifests, 'Deployment', 'mesh-operator').spec.template.spec.containers[0].env as {
    name: string;
    value?: string;
    valueFrom?: { fieldRef: { fieldPath: string } };
  }[];
  const field: Record<string, string> = {
    'metadata.namespace': NAMESPACE,
    'metadata.name': 'mesh-operator-1',
  };
  return Object.fromEntries(
    env.map(({ name, value, valueFrom }) => [
      name,
      value ?? field[valueFrom?.fieldRef.fieldPath ?? ''] ?? '',
    ]),
  );
}

function withoutReasons(list: readonly object[]): object[] {
  return list.map((entry) => Object.fromEntries(Object.entries(entry).filter(([key]) => key !== 'reason')));
}

describeHere(`the chart${reason}`, () => {
  let defaults: Manifest[];
  let changed: Manifest[];
  beforeAll(async () => {
    [defaults, changed] = await Promise.all([render(helm), render(helm, { values: CHANGED_VALUES })]);
  });

  test('passes helm lint, strictly, with its defaults', async () => {
    const { code, stdout, stderr } = await run(helm, ['lint', '--strict', CHART]);
    expect(`${stdout}${stderr}`).not.toMatch(/WARNING|ERROR/);
    expect(code).toBe(0);
  });

  test('makes no two objects of one kind and name', () => {
    for (const manifests of [defaults, changed]) {
      const names = manifests.map(
        ({ kind, metadata: { name, namespace } }) => `${kind} ${namespace} ${name}`,
      );
      expect(new Set(names).size).toBe(names.length);
    }
  });

  test('gives the operator settings that the operator takes, with defaults and with every value changed', () => {
    expect(readConfig(operatorEnvironment(defaults))).toMatchObject({
      meshNamespace: NAMESPACE,
      sidecarImage: 'mesh-sidecar:0.1.0',
      meshConfig: { trustDomain: 'cluster.local', datacenter: 'dc1', defaultAction: 'deny', leafTTL: '24h' },
      ownerClusterRole: 'mesh-operator',
    });
    expect(readConfig(operatorEnvironment(changed))).toMatchObject({
      sidecarImage: `registry.example/team/proxy@${CHANGED_VALUES.sidecar.image.digest}`,
      sidecarImagePullPolicy: 'Never',
      logLevel: 'debug',
      excludedNamespaces: ['legacy', 'vendor'],
      meshConfig: {
        trustDomain: 'prod.example',
        datacenter: 'eu-1',
        defaultAction: 'allow',
        leafTTL: '1h30m',
        ca: CHANGED_VALUES.mesh.ca,
        federation: CHANGED_VALUES.mesh.federation,
      },
      sidecarDefaults: {
        logLevel: 'warn',
        drainSeconds: 9,
        tunnel: false,
        cores: 2,
        resources: { requests: { cpu: '20m', memory: '70Mi' }, limits: { cpu: '1', memory: '140Mi' } },
      },
    });
  });

  test('lets the operator do what operator/composition/permissions.ts says, and nothing else', () => {
    expect(find(defaults, 'ClusterRole', 'mesh-operator').rules).toEqual(withoutReasons(CLUSTER_PERMISSIONS));
    expect(find(defaults, 'Role', 'mesh-operator').rules).toEqual(withoutReasons(NAMESPACE_PERMISSIONS));
  });

  test('gives nobody a wildcard', () => {
    for (const { rules } of [...defaults, ...changed].filter(({ kind }) =>
      ['Role', 'ClusterRole'].includes(kind),
    )) {
      expect(JSON.stringify(rules)).not.toContain('"*"');
    }
  });

  test('lets meshed pods read rules, services, roots and endpoints, and nothing else', () => {
    const read = ['get', 'list', 'watch'];
    expect(find(defaults, 'ClusterRole', 'mesh-sidecar-policy').rules).toEqual([
      { apiGroups: ['mesh.dev'], resources: ['intentions'], verbs: read },
      { apiGroups: ['mesh.dev'], resources: ['meshservices'], verbs: read },
      { apiGroups: ['mesh.dev'], resources: ['catalogentries'], verbs: read },
    ]);
    expect(find(defaults, 'ClusterRole', 'mesh-sidecar-catalog').rules).toEqual([
      { apiGroups: ['mesh.dev'], resources: ['meshconfigs'], verbs: read },
      { apiGroups: ['mesh.dev'], resources: ['meshservices'], verbs: read },
      { apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'], verbs: read },
    ]);
  });

  test('runs every pod as the restricted pod security standard asks, on a file system nobody can write to', () => {
    for (const [name, spec] of [...podsOf(defaults), ...podsOf(changed)]) {
      expect({ name, security: spec.securityContext }).toMatchObject({
        name,
        security: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
      });
      for (const container of spec.containers) {
        expect(container.securityContext).toEqual({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
      }
    }
  });

  test('puts image, pull secrets, node selector and tolerations into every pod', () => {
    for (const [name, spec] of podsOf(changed)) {
      expect({ name, ...spec }).toMatchObject({
        name,
        imagePullSecrets: [{ name: 'registry-credentials' }],
        nodeSelector: { disk: 'fast' },
        tolerations: [{ key: 'infra', operator: 'Exists' }],
      });
      expect(spec.containers[0].image).toBe('registry.example/team/control:9.9');
    }
  });

  test('makes the replaced parts of the operator what the values say', () => {
    const { spec } = find(changed, 'Deployment', 'mesh-operator');
    expect(spec.replicas).toBe(3);
    expect(spec.template.metadata).toMatchObject({ annotations: { team: 'a' }, labels: { team: 'b' } });
    expect(spec.template.spec).toMatchObject({
      priorityClassName: 'system-cluster-critical',
      affinity: CHANGED_VALUES.operator.affinity,
      topologySpreadConstraints: CHANGED_VALUES.operator.topologySpreadConstraints,
    });
    expect(spec.template.spec.containers[0].resources).toEqual(CHANGED_VALUES.operator.resources);
    expect(find(defaults, 'Deployment', 'mesh-operator').spec).toMatchObject({
      replicas: 2,
      strategy: { rollingUpdate: { maxUnavailable: 0 } },
    });
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

  test('gives the operator the right to delete registrations, and people that to make them, as operator/composition/permissions.ts says', () => {
    expect(find(changed, 'ClusterRole', 'mesh-operator-outside').rules).toEqual(
      withoutReasons(OUTSIDE_PERMISSIONS),
    );
    expect(find(changed, 'ClusterRoleBinding', 'mesh-operator-outside').subjects).toEqual([
      { kind: 'ServiceAccount', name: 'mesh-operator', namespace: NAMESPACE },
    ]);
    expect(find(changed, 'ClusterRole', 'mesh-run').rules).toEqual(withoutReasons(RUN_PERMISSIONS));
    expect(find(changed, 'ClusterRole', 'mesh-run-lookup').rules).toEqual(
      withoutReasons(RUN_LOOKUP_PERMISSIONS),
    );
  });

  test('gives the operator a place for its audit file only where one is wanted: a claim, or a folder that goes with the pod', async () => {
    const place = (manifests: readonly Manifest[]): unknown => {
      const { spec } = find(manifests, 'Deployment', 'mesh-operator').spec.template;
      const [{ volumeMounts = [] }] = spec.containers as [
        { volumeMounts?: { name: string; mountPath: string }[] },
      ];
      const { volumes = [] } = spec as { volumes?: { name: string }[] };
      const mount = volumeMounts.find(({ name }) => name === 'audit');
      return [mount?.mountPath, volumes.find(({ name }) => name === 'audit')];
    };
    const folder = '/var/lib/mesh/audit';
    expect(place(defaults)).toEqual([undefined, undefined]);
    expect(readConfig(operatorEnvironment(defaults)).auditDir).toBeUndefined();
    const claim = { persistentVolumeClaim: { claimName: 'mesh-audit' } };
    expect(place(changed)).toEqual([folder, { name: 'audit', ...claim }]);
    expect(readConfig(operatorEnvironment(changed)).auditDir).toBe(folder);
    const values = { operator: { audit: { enabled: true } } };
    const enabled = await render(helm, { values });
    expect(place(enabled)).toEqual([folder, { name: 'audit', emptyDir: {} }]);
    // What the operator fills must not be emptied by an upgrade.
    expect(find(enabled, 'ConfigMap', 'mesh-audit')).not.toHaveProperty('data');
    expect(() => find(defaults, 'ConfigMap', 'mesh-audit')).toThrow();
  });

  test('mounts a token for Vault only where Vault is the authority, or where it is asked for', async () => {
    const mounts = (manifests: readonly Manifest[]): boolean[] => {
      const { spec } = find(manifests, 'Deployment', 'mesh-operator').spec.template;
      return [spec.containers[0].volumeMounts, spec.volumes].map((list: { name: string }[] | undefined) =>
        (list ?? []).some(({ name }) => name === 'vault-token'),
      );
    };
    expect(mounts(defaults)).toEqual([false, false]);
    const stepCa = { mesh: { ca: CHANGED_VALUES.mesh.ca }, operator: { audit: { enabled: true } } };
    expect(mounts(await render(helm, { values: stepCa }))).toEqual([false, false]);
    const vault = { mesh: { ca: { provider: 'vault', config: { address: 'https://vault.example:8200' } } } };
    expect(mounts(await render(helm, { values: vault }))).toEqual([true, true]);
    expect(mounts(changed)).toEqual([true, true]);
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

  test('keeps the resource definitions on uninstall only when told so', () => {
    const keeps = (manifests: readonly Manifest[]): unknown[] =>
      manifests
        .filter(({ kind }) => kind === 'CustomResourceDefinition')
        .map(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy']);
    expect(keeps(defaults)).toEqual([undefined, undefined, undefined, undefined]);
    expect(keeps(changed)).toEqual(['keep', 'keep', 'keep', 'keep']);
  });

  test('carries the resource definitions of crds/ unchanged', () => {
    const folder = join(CHART, '../../crds');
    for (const file of readdirSync(folder)) {
      const definition = parse(readFileSync(join(folder, file), 'utf8')) as Manifest;
      expect(find(defaults, 'CustomResourceDefinition', definition.metadata.name).spec).toEqual(
        definition.spec,
      );
    }
  });

  test('lets those who edit or view a namespace edit or view its rules, unless told not to', () => {
    const aggregated = (manifests: readonly Manifest[], name: string): string[] =>
      Object.keys(find(manifests, 'ClusterRole', name).metadata.labels ?? {}).filter((label) =>
        label.includes('aggregate-to'),
      );
    expect(aggregated(defaults, 'mesh-edit')).toEqual([
      'rbac.authorization.k8s.io/aggregate-to-edit',
      'rbac.authorization.k8s.io/aggregate-to-admin',
    ]);
    expect(aggregated(defaults, 'mesh-view')).toContain('rbac.authorization.k8s.io/aggregate-to-view');
    expect([...aggregated(changed, 'mesh-edit'), ...aggregated(changed, 'mesh-view')]).toEqual([]);
  });

  test('removes what it makes for the uninstall and the test by itself', () => {
    const hooks = defaults.filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] !== undefined);
    expect(new Set(hooks.map(({ metadata }) => metadata.annotations?.['helm.sh/hook']))).toEqual(
      new Set(['pre-delete', 'test']),
    );
    for (const { metadata } of hooks) {
      expect(metadata.annotations?.['helm.sh/hook-delete-policy']).toBe(
        'before-hook-creation,hook-succeeded',
      );
    }
  });

  test.each([
    ['1.20.2', 'policy/v1beta1'],
    ['1.21.0', 'policy/v1'],
    ['1.29.4-eks-036c24b', 'policy/v1'],
    ['1.34.0', 'policy/v1'],
  ])('uses on Kubernetes %s what that version serves', async (kubeVersion, policy) => {
    const manifests = await render(helm, { kubeVersion });
    expect(find(manifests, 'PodDisruptionBudget', 'mesh-operator').apiVersion).toBe(policy);
    const versions = new Set(manifests.map(({ apiVersion }) => apiVersion));
    expect([...versions].sort()).toEqual([
      'apiextensions.k8s.io/v1',
      'apps/v1',
      'batch/v1',
      'networking.k8s.io/v1',
      policy,
      'rbac.authorization.k8s.io/v1',
      'v1',
    ]);
  });

  test('refuses a Kubernetes before 1.20', async () => {
    await expect(render(helm, { kubeVersion: '1.19.16' })).rejects.toThrow('>=1.20.0');
  });

  test('has no budget where the values say so', async () => {
    const manifests = await render(helm, {
      values: { operator: { podDisruptionBudget: { enabled: false } } },
    });
    expect(manifests.some(({ kind }) => kind === 'PodDisruptionBudget')).toBe(false);
  });

  test('says all at once what is wrong with the shape of values', async () => {
    const words = await refusal(helm, {
      mesh: { trustDomain: 'Upper.Case', defaultAction: 'maybe', leafTTL: '5d' },
      operator: { replcas: 3, replicas: 0 },
      sidecar: { resources: { limits: { memory: 128 } }, drainSeconds: -1, cores: 17 },
      imagePullSecrets: ['A B'],
      webhok: {},
    });
    for (const part of [
      "'/mesh/trustDomain': 'Upper.Case' does not match",
      "'/mesh/defaultAction': value must be one of 'allow', 'deny'",
      "'/mesh/leafTTL': '5d' does not match",
      "additional properties 'replcas' not allowed",
      "'/operator/replicas': minimum: got 0, want 1",
      "'/sidecar/resources/limits/memory': got number, want string",
      "'/sidecar/drainSeconds': minimum: got -1, want 0",
      "'/sidecar/cores': maximum: got 17, want 16",
      "'/imagePullSecrets/0'",
      "additional properties 'webhok' not allowed",
    ]) {
      expect(words).toContain(part);
    }
  });

  test('says all at once what is wrong with their meaning, and what to write', async () => {
    const bundle = '-----BEGIN CERTIFICATE-----';
    const words = await refusal(helm, {
      outside: { enabled: true, service: { type: 'NodePort', sourceRanges: ['198.51.100.0/24'] } },
      mesh: { leafTTL: '9s', federation: [{ trustDomain: 'cluster.local', bundle }] },
      sidecar: { resources: { limits: { memory: '128' } } },
    });
    expect(words).toContain('mesh.leafTTL is "9s": write a duration from "10s" to "8760h"');
    expect(words).toContain('outside.operatorAddress is empty: write where');
    expect(words).toContain('outside.service.sourceRanges are kept by load balancers only');
    expect(words).toContain('mesh.federation[0].trustDomain is "cluster.local", as mesh.trustDomain is');
    expect(words).toContain(
      'sidecar.resources.limits.memory is "128", which is bytes: write such as "128Mi"',
    );
  });

  test('knows every value that stands in values.yaml, and these tests change each', () => {
    const text = readFileSync(join(CHART, 'values.yaml'), 'utf8');
    const values = parse(text) as Record<string, object>;
    const schema = JSON.parse(readFileSync(join(CHART, 'values.schema.json'), 'utf8')) as {
      properties: Record<string, object>;
    };
    expect(Object.keys(schema.properties).filter((key) => key !== 'global')).toEqual(
      expect.arrayContaining(Object.keys(values)),
    );
    const changedPaths = leaves(CHANGED_VALUES);
    const unchanged = leaves(values).filter((path) => !changedPaths.some((other) => other.startsWith(path)));
    expect(unchanged).toEqual([]);
  });
});

/** Paths of all values below; a list or an empty object is one value. */
function leaves(value: unknown, path = ''): string[] {
  if (!isRecord(value)) return [path];
  const entries = Object.entries(value);
  return entries.length === 0 ? [path] : entries.flatMap(([key, inner]) => leaves(inner, `${path}/${key}`));
}
