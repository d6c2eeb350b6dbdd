import { meshSettings } from './mesh-settings.ts';

test('what a MeshConfig leaves out has its default', () => {
  const defaults = {
    trustDomain: 'cluster.local',
    datacenter: 'dc1',
    defaultAction: 'deny',
    leafTtlMs: 24 * 3_600_000,
    provider: 'builtin',
  };
  expect(meshSettings(undefined)).toEqual(defaults);
  expect(meshSettings({ trustDomain: undefined, leafTTL: undefined })).toEqual(defaults);
  expect(meshSettings({ defaultAction: 'allow', leafTTL: '90m', datacenter: 'eu' })).toEqual({
    ...defaults,
    defaultAction: 'allow',
    leafTtlMs: 5_400_000,
    datacenter: 'eu',
  });
});

test('a field of a newer version is passed over', () => {
  expect(meshSettings({ newField: 1 } as never).defaultAction).toBe('deny');
});

test.each([
  [{ trustDomain: 'UPPER' }, 'trust domain'],
  [{ trustDomain: 5 }, 'trust domain'],
  [{ datacenter: 'a/b' }, 'datacenter'],
  [{ datacenter: '' }, 'datacenter'],
  [{ datacenter: ['dc1'] }, 'datacenter'],
  [{ defaultAction: 'Allow' }, 'defaultAction'],
  [{ defaultAction: ['allow'] }, 'defaultAction'],
  [{ leafTTL: 'soon' }, 'leafTTL'],
  [{ leafTTL: 60 }, 'leafTTL'],
])('%j cannot be read', (spec, field) => {
  expect(() => meshSettings(spec as never)).toThrow(RangeError);
  expect(() => meshSettings(spec as never)).toThrow(field);
});
