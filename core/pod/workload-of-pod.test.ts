import { workloadOf } from './workload-of-pod.ts';

const NOW = Date.UTC(2026, 5, 1, 12, 0);
const MINUTES = NOW / 60_000;
const owned = (apiVersion: string, kind: string, name: string, labels: Record<string, string> = {}) =>
  workloadOf({ owner: { apiVersion, kind, name }, labels }, NOW);

describe('the workload of a pod', () => {
  test.each<[string, string, string, Record<string, string>, string]>([
    ['apps/v1', 'ReplicaSet', 'web-7c9d8f6b5', { 'pod-template-hash': '7c9d8f6b5' }, 'Deployment web'],
    [
      'apps/v1',
      'ReplicaSet',
      'web-a-b-7c9d8f6b5',
      { 'pod-template-hash': '7c9d8f6b5' },
      'Deployment web-a-b',
    ],
    ['apps/v1', 'ReplicaSet', 'web-5f', { 'rollouts-pod-template-hash': '5f' }, 'Rollout web'],
    ['apps/v1', 'ReplicaSet', 'web-7c9d8f6b5', {}, 'ReplicaSet web-7c9d8f6b5'],
    ['apps/v1', 'ReplicaSet', 'web-7c9d8f6b5', { 'pod-template-hash': 'other' }, 'ReplicaSet web-7c9d8f6b5'],
    ['apps/v1', 'ReplicaSet', 'web', { 'pod-template-hash': '' }, 'ReplicaSet web'],
    ['apps/v1', 'ReplicaSet', '-x', { 'pod-template-hash': 'x' }, 'ReplicaSet -x'],
    ['apps/v1', 'StatefulSet', 'db', {}, 'StatefulSet db'],
    ['apps/v1', 'DaemonSet', 'agent', {}, 'DaemonSet agent'],
    ['batch/v1', 'Job', 'migrate', {}, 'Job migrate'],
    ['batch/v1', 'Job', `report-${MINUTES}`, {}, 'CronJob report'],
    ['batch/v1', 'Job', `report-${MINUTES - 30 * 24 * 60}`, {}, 'CronJob report'],
    ['batch/v1', 'Job', `report-${MINUTES + 1}`, {}, 'CronJob report'],
  ])('%s %s %s %j is %s', (apiVersion, kind, name, labels, expected) => {
    const found = owned(apiVersion, kind, name, labels);
    expect(`${found?.kind ?? ''} ${found?.name ?? ''}`).toBe(expected);
  });

  test.each([
    ['a date', 'report-20260601'],
    ['a build', 'deploy-81234567'],
    ['minutes of long ago', `report-${MINUTES - 40 * 24 * 60}`],
    ['minutes to come', `report-${MINUTES + 24 * 60}`],
    ['nothing before it', `-${MINUTES}`],
    ['seconds', `report-${NOW / 1000}`],
  ])('of a Job whose name ends with %s is the Job itself', (_what, name) => {
    expect(owned('batch/v1', 'Job', name)).toEqual({ kind: 'Job', name });
  });

  test.each([
    ['argoproj.io/v1alpha1', 'Workflow'],
    ['example.org/v1', 'StatefulSet'],
    ['v1', 'Node'],
    ['v1', 'ReplicationController'],
  ])('is not known for %s %s', (apiVersion, kind) => {
    expect(owned(apiVersion, kind, 'x')).toBeUndefined();
  });

  test('is not known for a pod without a controller', () => {
    expect(workloadOf({ labels: { 'pod-template-hash': 'x' } }, NOW)).toBeUndefined();
  });
});
