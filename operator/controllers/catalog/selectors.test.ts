import type { Pod } from '#kube/types.ts';

import { kubeService, meshPod, registration } from './catalog-objects.fake.ts';
import { SelectedPods } from './selectors.ts';

const names = (pods: readonly Pod[]): readonly string[] => pods.map(({ metadata }) => metadata.name).sort();

describe('the pods that a Service selects', () => {
  const pods = [
    meshPod('web-0', 'web', { labels: { tier: 'front' } }),
    meshPod('web-1', 'web', { labels: { tier: 'back' } }),
    meshPod('db-0', 'db', { labels: { tier: 'back' } }),
    registration('out-0', 'db'),
  ];
  const selected = new SelectedPods(pods);

  test.each<[string, Record<string, string> | undefined, readonly string[]]>([
    ['one label', { app: 'web' }, ['web-0', 'web-1']],
    ['every label of the selector', { app: 'web', tier: 'back' }, ['web-1']],
    ['a label that no pod has', { app: 'web', zone: 'a' }, []],
    ['an empty selector', {}, []],
    ['no selector', undefined, []],
  ])('%s', (_title, selector, expected) => {
    expect(names(selected.behind(kubeService('any', selector)))).toEqual(expected);
  });

  test('are joined by processes outside of pods behind the Service of their name', () => {
    expect(names(selected.behind(kubeService('db', undefined)))).toEqual(['out-0']);
    expect(names(selected.behind(kubeService('db', { app: 'db' })))).toEqual(['db-0', 'out-0']);
  });

  test('are found by looking at those with the rarest label only', () => {
    let looks = 0;
    const counted = (index: number): Pod => {
      const pod = meshPod(`p-${index}`, 'web');
      const labels = { ...pod.metadata.labels, app: 'web', one: String(index) };
      const watched = new Proxy(labels, {
        get: (target, key) => {
          looks += 1;
          return Reflect.get(target, key) as unknown;
        },
      });
      return { ...pod, metadata: { ...pod.metadata, labels: watched } };
    };
    const many = new SelectedPods(Array.from({ length: 1_000 }, (_, index) => counted(index)));
    looks = 0;
    expect(names(many.behind(kubeService('any', { app: 'web', one: '7' })))).toEqual(['p-7']);
    expect(looks).toBeLessThan(10);
  });
});
