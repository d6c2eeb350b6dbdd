import fc from 'fast-check';

import { serviceNameOfPod } from './service-name-of-pod.ts';
import type { PodNames } from './service-name-of-pod.ts';

const NOW = Date.UTC(2026, 5, 1);
const nameOf = (pod: PodNames) => serviceNameOfPod(pod, NOW);
const faultOf = (pod: PodNames): string => {
  const read = nameOf(pod);
  return 'fault' in read ? read.fault : JSON.stringify(read);
};

const annotations = { 'mesh/service': 'one' };
const serviceAccountName = 'two';
const owner = { apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'three' };
const labels = { app: 'four', 'app.kubernetes.io/name': 'chart' };

describe('the service of a pod', () => {
  test('is its annotation, else its ServiceAccount, else its workload, else its label app', () => {
    expect(nameOf({ annotations, serviceAccountName, owner, labels })).toEqual({ service: 'one' });
    expect(nameOf({ serviceAccountName, owner, labels })).toEqual({ service: 'two' });
    expect(nameOf({ serviceAccountName: 'default', owner, labels })).toEqual({ service: 'three' });
    expect(nameOf({ serviceAccountName: '', owner, labels })).toEqual({ service: 'three' });
    expect(nameOf({ serviceAccountName: 'default', labels })).toEqual({ service: 'four' });
    expect(nameOf({ owner: { ...owner, apiVersion: 'example.org/v1' }, labels })).toEqual({
      service: 'four',
    });
  });

  test('is a name of its own for each part of a chart, whose parts share a descriptive label', () => {
    const part = (account: string) => ({
      labels: { 'app.kubernetes.io/name': 'monitoring' },
      serviceAccountName: account,
    });
    expect(['monitoring-server', 'monitoring-admission'].map(part).map(nameOf)).toEqual([
      { service: 'monitoring-server' },
      { service: 'monitoring-admission' },
    ]);
  });

  test.each([
    [{}],
    [{ serviceAccountName: 'default' }],
    [{ serviceAccountName: '' }],
    [{ labels: { name: 'x', 'app.kubernetes.io/name': 'x', app: '' } }],
  ])('is nothing for %j, with a sentence that says what to write', (pod) => {
    expect(faultOf(pod)).toBe(
      'nothing says which service this pod is; write the annotation mesh/service: <name of the service>, or give it a ServiceAccount of its own',
    );
  });

  test('is one, not two', () => {
    expect(faultOf({ annotations: { 'mesh/service': 'web, admin' } })).toContain(
      'names 2 services; one pod is one service',
    );
    expect(faultOf({ annotations: { 'mesh/service': 'a,'.repeat(50_000) } })).toContain(
      'names many services',
    );
  });

  test('is not guessed where what is written cannot be a name', () => {
    const faulty: PodNames[] = [
      { annotations: { 'mesh/service': 'Web' }, serviceAccountName },
      { annotations: { 'mesh/service': '' }, serviceAccountName },
      { serviceAccountName: 'build.robot', owner },
      { owner: { ...owner, name: 'db.eu' }, labels },
      { labels: { app: 'My_App' } },
    ];
    expect(faulty.map(faultOf)).toEqual([
      'annotation mesh/service gives the service name: "Web": upper case is not allowed; write "web"',
      'annotation mesh/service gives the service name: is empty',
      'the ServiceAccount "build.robot" gives the service name: "build.robot": only a-z, 0-9 and "-" are allowed, with a letter or digit at both ends; or write the annotation mesh/service: <name of the service>',
      expect.stringContaining(
        'the StatefulSet "db.eu" gives the service name: "db.eu": only a-z, 0-9 and "-"',
      ),
      expect.stringContaining('label app gives the service name: "My_App"'),
    ]);
  });

  test('never makes the reader fail', () => {
    const text = fc.string({ unit: 'binary' });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.string()), text, text, (map, one, other) => {
        const made = { apiVersion: 'batch/v1', kind: 'Job', name: other };
        nameOf({ annotations: { ...map, 'mesh/service': one }, labels: map });
        nameOf({ annotations: map, labels: { ...map, app: one }, serviceAccountName: other });
        nameOf({ labels: { ...map, 'pod-template-hash': one }, owner: made });
        nameOf({ labels: map, owner: { apiVersion: one, kind: 'ReplicaSet', name: other } });
      }),
    );
  });
});
