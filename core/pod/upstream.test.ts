import fc from 'fast-check';

import { formatUpstreams, parseUpstreams } from './upstream.ts';

describe('upstreams', () => {
  test('are read as they are written out', () => {
    const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?$/);
    const upstream = fc
      .tuple(
        label,
        fc.option(label, { nil: undefined }),
        fc.integer({ min: 30000, max: 65535 }),
        fc.option(fc.integer({ min: 1, max: 65535 }), { nil: undefined }),
      )
      .map(([service, namespace, localPort, port]) => ({
        service,
        ...(namespace === undefined ? {} : { namespace }),
        localPort,
        ...(port === undefined ? {} : { port }),
      }));
    fc.assert(
      fc.property(
        fc.uniqueArray(upstream, { selector: ({ localPort }) => localPort, maxLength: 20 }),
        (upstreams) => {
          expect(parseUpstreams(formatUpstreams(upstreams))).toEqual({ upstreams, faults: [] });
        },
      ),
    );
  });

  test('may be blank', () => {
    expect(parseUpstreams('  ')).toEqual({ upstreams: [], faults: [] });
  });
});
