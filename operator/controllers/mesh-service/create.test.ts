import type { Pod } from '#kube/types.ts';

import { registrationSpec } from '../../resources/member.fake.ts';
import { RULES, pod } from '../controllers.fake.ts';
import { PROVISIONAL_LABEL, betterChoice, choiceFor, choiceSentence, meshServiceFor } from './create.ts';

/** Whose a service becomes that nobody defined: whoever is first to write its name must not own it for good. */

const choose = (...pods: readonly Pod[]) => choiceFor({ namespace: 'shop', name: 'db', pods, rules: RULES });
const running = (name: string, account: string, more: Parameters<typeof pod>[2] = {}): Pod => {
  const one = pod(name, 'db', { account, ...more });
  return { ...one, spec: { ...one.spec!, restartPolicy: 'Always' } };
};
const job = (name: string, account: string, more: Parameters<typeof pod>[2] = {}): Pod =>
  pod(name, 'db', { account, owner: { kind: 'Job', name: 'db-migrate' }, ...more });
const PENDING = { phase: 'Pending', podIP: undefined };
const ENDED = { phase: 'Succeeded' };
const [EARLY, LATE] = ['2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'];

describe('a service that nobody defined', () => {
  test('belongs to the workload that runs, not to the pod that was written first', () => {
    const waiting = running('a-0', 'evil', { at: EARLY, status: PENDING });
    expect(choose(waiting)).toBeUndefined();
    expect(choose(waiting, running('db-0', 'data', { at: LATE }))).toMatchObject({
      account: 'data',
      others: [],
    });
  });

  test('does not wait until a pod is ready, which needs its certificate', () => {
    expect(choose(running('db-0', 'data', { ready: false, status: { phase: 'Pending' } }))).toMatchObject({
      account: 'data',
    });
  });

  test.each<[string, Pod]>([
    [
      'has labels and no sidecar',
      { ...running('x', 'evil'), spec: { serviceAccountName: 'evil', containers: [] } },
    ],
    ['has ended', job('x', 'evil', { status: ENDED })],
    [
      'stands for a process outside, where none may join',
      { ...running('x', 'db', { labels: { 'mesh.dev/run': 'true' } }), spec: registrationSpec('db') },
    ],
    [
      'is of another namespace',
      { ...running('x', 'evil'), metadata: { ...running('x', 'evil').metadata, namespace: 'other' } },
    ],
    ['is of another service', pod('x', 'web')],
    [
      'is going away',
      { ...running('x', 'evil'), metadata: { ...running('x', 'evil').metadata, deletionTimestamp: LATE } },
    ],
  ])('does not belong to a pod that %s', (_what, one) => {
    expect(choose(one)).toBeUndefined();
  });

  test('belongs to the ServiceAccount of its own name before any other', () => {
    expect(choose(running('a', 'early', { at: EARLY }), running('b', 'db', { at: LATE }))).toMatchObject({
      account: 'db',
      others: ['early'],
    });
  });

  test('belongs to what goes on before what ends', () => {
    expect(choose(job('a', 'migrate', { at: EARLY }), running('b', 'data', { at: LATE }))).toMatchObject({
      account: 'data',
      ends: false,
      others: ['migrate'],
    });
  });

  test('belongs to the oldest of equals, whatever the order they are seen in', () => {
    const [one, two] = [running('b', 'one', { at: EARLY }), running('a', 'two', { at: LATE })];
    for (const pods of [
      [one, two],
      [two, one],
    ])
      expect(choose(...pods)?.account).toBe('one');
  });

  test('says whom it was given to, and who else would be it', () => {
    const owner = { kind: 'ReplicaSet', name: 'db-5f' };
    const choice = choose(running('b', 'one', { at: EARLY, owner }), running('a', 'two', { at: LATE }))!;
    expect(choiceSentence(choice)).toBe(
      'pods of ServiceAccount one may be it, because ReplicaSet db-5f runs under this name; pods of ServiceAccount two run under this name too, and may not be it; to choose otherwise, write spec.serviceAccounts',
    );
    expect(meshServiceFor('shop', 'db', choice)).toMatchObject({
      metadata: {
        name: 'db',
        namespace: 'shop',
        labels: { 'app.kubernetes.io/managed-by': 'mesh-operator' },
      },
      spec: { serviceAccounts: ['one'] },
    });
    expect(meshServiceFor('shop', 'db', choice).metadata.labels).not.toHaveProperty(PROVISIONAL_LABEL);
  });
});

describe('a service that was made for a Job', () => {
  const made = meshServiceFor('shop', 'db', choose(job('a', 'migrate'))!);
  const better = (pods: readonly Pod[], service = made) => betterChoice(service, pods, RULES)?.account;
  const app = running('db-0', 'data');

  test('goes to the workload that goes on, once the Job has ended', () => {
    expect(made.metadata.labels).toMatchObject({ [PROVISIONAL_LABEL]: 'migrate' });
    expect(better([job('a', 'migrate'), app])).toBeUndefined();
    expect(better([job('a', 'migrate', { status: ENDED }), app])).toBe('data');
    expect(better([app])).toBe('data');
  });

  test('stays where nothing else runs, or only another Job, or nothing yet', () => {
    expect(better([])).toBeUndefined();
    expect(better([job('b', 'other')])).toBeUndefined();
    expect(better([running('db-0', 'data', { status: PENDING })])).toBeUndefined();
  });

  test('stays when people have written into it, whatever it says', () => {
    for (const serviceAccounts of [['data2'], ['migrate', 'robot'], []])
      expect(better([app], { ...made, spec: { serviceAccounts } })).toBeUndefined();
    const { labels } = made.metadata;
    const theirs = { ...labels, 'app.kubernetes.io/managed-by': 'helm' };
    expect(better([app], { ...made, metadata: { ...made.metadata, labels: theirs } })).toBeUndefined();
  });

  test('a service of a workload that goes on stays its own while that is scaled to zero', () => {
    const own = meshServiceFor('shop', 'db', choose(app)!);
    expect(better([running('x', 'other')], own)).toBeUndefined();
  });
});
