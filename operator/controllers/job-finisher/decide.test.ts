import type { Pod } from '#kube/types.ts';

import type { SidecarStyle } from '#core/pod/sidecar-of-pod.ts';
import { memberSpec } from '../../resources/member.fake.ts';
import { finishedWork } from './decide.ts';

type State = number | 'running';

interface Given {
  readonly style?: SidecarStyle;
  readonly restartPolicy?: string;
  readonly app?: readonly State[];
  readonly sidecar?: State | 'unknown';
  readonly phase?: string;
  readonly ip?: string;
  readonly declared?: number;
}

function pod({
  style = 'ordinary',
  restartPolicy = 'Never',
  app = [0],
  sidecar = 'running',
  phase = 'Running',
  ip = '10.1.1.1',
  declared,
}: Given): Pod {
  const state = (value: State) => (value === 'running' ? {} : { state: { terminated: { exitCode: value } } });
  const spec = memberSpec('job', 'job', style);
  const names = Array.from({ length: declared ?? app.length }, (_, index) => ({ name: `app${index}` }));
  return {
    metadata: {
      name: 'job',
      namespace: 'shop',
      uid: 'u',
      labels: { 'mesh.dev/injected': style, 'mesh.dev/service': 'job' },
    },
    spec: { ...spec, restartPolicy, containers: [...spec.containers.slice(0, -1), ...names] },
    status: {
      phase,
      podIP: ip,
      containerStatuses: [
        ...(sidecar === 'unknown' ? [] : [{ name: 'mesh-sidecar', ...state(sidecar) }]),
        ...app.map((value, index) => ({ name: `app${index}`, ...state(value) })),
      ],
    },
  } as unknown as Pod;
}

describe('a pod that waits only for its sidecar', () => {
  test.each<[string, Given, boolean]>([
    ['all done', {}, true],
    ['all done, several containers', { app: [0, 0] }, true],
    ['failed, and never started again', { app: [1] }, true],
    ['failed, and started again', { app: [1], restartPolicy: 'OnFailure' }, false],
    ['succeeded, OnFailure', { app: [0], restartPolicy: 'OnFailure' }, true],
    ['one still runs', { app: [0, 'running'] }, false],
    ['one has no status yet', { app: [0], declared: 2 }, false],
    ['always started again', { restartPolicy: 'Always' }, false],
    ['a native sidecar ends by itself', { style: 'native' }, false],
    ['the sidecar has ended', { sidecar: 0 }, false],
    ['the sidecar has no status', { sidecar: 'unknown' }, false],
    ['the pod has ended', { phase: 'Succeeded' }, false],
    ['the pod has no address', { ip: '' }, false],
  ])('%s', (_name, given, expected) => {
    expect(finishedWork(pod(given)) !== undefined).toBe(expected);
  });

  test('is none by its label alone', () => {
    const real = pod({});
    const { spec } = real;
    expect(finishedWork({ ...real, spec: { ...spec!, volumes: [] } })).toBeUndefined();
  });

  test('says who must answer, and where', () => {
    expect(finishedWork(pod({}))).toEqual({ namespace: 'shop', service: 'job', ip: '10.1.1.1' });
  });
});
