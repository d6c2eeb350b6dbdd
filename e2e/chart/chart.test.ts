import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'yaml';

import { readConfig } from '#operator/config/config.ts';

import { run } from '../cluster/command.ts';
import { CHART, find, render } from './render.ts';
import type { Manifest } from './render.ts';
import { describeHere, helm, operatorEnvironment, reason, renderBoth } from './testing/with-helm.ts';
import { CHANGED_VALUES } from './values.ts';

const POD_KINDS = ['Deployment', 'Job', 'Pod'];

function podsOf(manifests: readonly Manifest[]): [string, Manifest['spec']][] {
  return manifests
    .filter(({ kind }) => POD_KINDS.includes(kind))
    .map(({ kind, metadata, spec }) => [
      `${kind} ${metadata.name}`,
      kind === 'Pod' ? spec : spec.template.spec,
    ]);
}

describeHere(`the chart${reason}`, () => {
  let defaults: Manifest[];
  let changed: Manifest[];
  beforeAll(async () => {
    [defaults, changed] = await renderBoth();
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
});
