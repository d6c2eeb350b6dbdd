import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'yaml';

import { isRecord } from '#base/record.ts';
import { readConfig } from '#operator/config/config.ts';

import { CHART, NAMESPACE, refusal } from './render.ts';
import type { Manifest } from './render.ts';
import { describeHere, helm, operatorEnvironment, reason, renderBoth } from './testing/with-helm.ts';
import { CHANGED_VALUES } from './values.ts';

describeHere(`the values of the chart${reason}`, () => {
  let defaults: Manifest[];
  let changed: Manifest[];
  beforeAll(async () => {
    [defaults, changed] = await renderBoth();
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
