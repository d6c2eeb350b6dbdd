import { LABELS } from '#core/constants.ts';
import type { Pod } from '#kube/types.ts';

import { FakeCache } from '../../control-loop/cache.fake.ts';
import { memberSpec, registrationSpec } from '../../resources/member.fake.ts';
import { RULES, SCOPE } from '../controllers.fake.ts';
import { Survey, hindrance } from './survey.ts';
import type { SurveyResult } from './survey.ts';

const OUTSIDE = { ...RULES, outside: true };
const OLD = 'a'.repeat(64);
const NEW = 'b'.repeat(64);

function pod(name: string, status: Pod['status'] = { podIP: '10.0.0.1' }): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'shop', labels: { [LABELS.service]: 'web', [LABELS.injected]: 'ordinary' } },
    spec: memberSpec('web', 'web', 'ordinary'),
    status,
  };
}

function surveyOf(pods: readonly Pod[], ask: (ip: string) => Promise<object>): Survey {
  return new Survey({ pods: new FakeCache(pods), scope: SCOPE, rules: OUTSIDE, ask: ({ ip }) => ask(ip) });
}

describe('asking sidecars', () => {
  test('each as the service that it must be, but none that has ended or has no address yet', async () => {
    const asked: string[] = [];
    const pods = [pod('one'), pod('done', { podIP: '10.0.0.2', phase: 'Succeeded' }), pod('young', {})];
    const survey = new Survey({
      pods: new FakeCache(pods),
      scope: SCOPE,
      rules: OUTSIDE,
      ask: ({ ip, spiffeId }) => {
        asked.push(`${ip} ${spiffeId}`);
        return Promise.resolve({ ok: true, roots: [OLD, NEW], leans: [NEW] });
      },
    });
    expect(await survey.run()).toEqual({
      asked: 1,
      silent: [],
      answers: [{ pod: 'shop/one', roots: [OLD, NEW], leans: [NEW] }],
    });
    expect(asked).toEqual(['10.0.0.1 spiffe://cluster.local/ns/shop/dc/dc1/svc/web']);
  });

  test('one outside of pods at the port that its registration says, and no pod where it likes', async () => {
    const asked: unknown[] = [];
    const at = (name: string, labels: object, port: string, spec: Pod['spec']): Pod => {
      const { metadata, ...rest } = pod(name);
      const annotations = { 'mesh/sidecar-port': port };
      return {
        ...rest,
        metadata: { ...metadata, annotations, labels: { ...metadata.labels, ...labels } },
        ...(spec ? { spec } : {}),
      };
    };
    const run = { 'mesh.dev/run': 'true' };
    const pods = [
      at('outside', run, '40001', registrationSpec('web')),
      at('wrong', run, '70000', registrationSpec('web')),
      at('inside', {}, '40001', memberSpec('web')),
      at('on-node', run, '40001', { ...memberSpec('web'), nodeName: 'node-1' }),
    ];
    const ask = ({ port }: { readonly port?: number }) => {
      asked.push(port);
      return Promise.resolve({ roots: [OLD], leans: [] });
    };
    await new Survey({ pods: new FakeCache(pods), scope: SCOPE, rules: OUTSIDE, ask }).run();
    expect(asked).toEqual([40001, undefined, undefined, undefined]);
  });

  test('a pod with the labels and no sidecar is not asked, so its silence holds up nothing', async () => {
    const idle = { ...pod('idle'), spec: { containers: [{ name: 'app' }] } };
    const { asked, silent } = await surveyOf([idle], () => Promise.reject(new Error('refused'))).run();
    expect({ asked, silent }).toEqual({ asked: 0, silent: [] });
  });

  test.each<[string, () => Promise<object>]>([
    ['is away', () => Promise.reject(new Error('refused'))],
    ['says something else', () => Promise.resolve({ ok: true })],
    ['says too much', () => Promise.resolve({ roots: Array.from({ length: 33 }, () => OLD), leans: [] })],
    ['names what is not a root', () => Promise.resolve({ roots: ['<script>'], leans: [] })],
  ])('one that %s is silent', async (_what, answer) => {
    expect(await surveyOf([pod('one')], answer).run()).toEqual({
      asked: 1,
      silent: ['shop/one'],
      answers: [],
    });
  });

  test('thousands are asked, and not all at the same time', async () => {
    let now = 0;
    let most = 0;
    const pods = Array.from({ length: 1000 }, (_, index) => pod(`p${index}`));
    const { answers } = await surveyOf(pods, async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
      return { roots: [OLD], leans: [OLD] };
    }).run();
    expect(answers).toHaveLength(1000);
    expect(most).toBe(32);
  });
});

describe('what stands in the way', () => {
  const result = (bends: Partial<SurveyResult>): SurveyResult => ({
    asked: 4,
    silent: [],
    answers: [],
    ...bends,
  });
  const answer = (name: string, roots: string[], leans: string[]) => ({ pod: `shop/${name}`, roots, leans });

  test('nothing, when everybody has heard and nobody leans on the root that goes', () => {
    expect(hindrance(result({ answers: [answer('a', [OLD, NEW], [NEW])] }), [NEW], OLD)).toBeUndefined();
  });

  test('nothing, where there is nobody', () => {
    expect(hindrance(result({ asked: 0 }), [NEW], OLD)).toBeUndefined();
  });

  test('everything is told at once, with a few names', () => {
    const answers = [answer('d', [OLD], [OLD]), answer('e', [OLD, NEW], [OLD, NEW])];
    const silent = ['shop/a', 'shop/b', 'shop/c', 'shop/f'];
    expect(hindrance(result({ silent, answers }), [OLD, NEW], OLD)).toBe(
      'of 4 sidecars 4 did not answer (shop/a, shop/b, shop/c, …), 1 have not heard of the new root (shop/d), 2 still lean on the other root (shop/d, shop/e)',
    );
  });
});
