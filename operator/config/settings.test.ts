import { FakeLog } from '#base/testing/log.fake.ts';

import { Settings } from './settings.ts';

describe('the settings that hold', () => {
  const at = (spec: object) => ({ metadata: { name: 'mesh' }, spec });

  test('follow the MeshConfig, but for what identities carry', () => {
    const settings = new Settings({ trustDomain: 'corp.example', datacenter: 'eu' }, new FakeLog());
    settings.take(
      at({ trustDomain: 'other.example', datacenter: 'us', leafTTL: '1h', defaultAction: 'allow' }),
    );
    expect(settings.current).toMatchObject({
      trustDomain: 'corp.example',
      datacenter: 'eu',
      leafTtlMs: 3_600_000,
      defaultAction: 'allow',
    });
    expect(settings.scope).toEqual({ trustDomain: 'corp.example', datacenter: 'eu' });
  });

  test('stay as they were when the MeshConfig cannot be read, and the log says so', () => {
    const log = new FakeLog();
    const settings = new Settings({ leafTTL: '2h' }, log);
    settings.take(at({ leafTTL: 'soon' }));
    expect(settings.current.leafTtlMs).toBe(7_200_000);
    expect(log.lines).toMatchObject([{ level: 'error' }]);
  });

  test('go back to the defaults when the MeshConfig leaves them open', () => {
    const settings = new Settings({ leafTTL: '2h' }, new FakeLog());
    settings.take(at({}));
    expect(settings.current.leafTtlMs).toBe(86_400_000);
  });
});
