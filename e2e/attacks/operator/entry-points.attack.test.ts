import { OperatorUnderAttack } from '../kit/operator-under-attack.ts';
import { withVariants } from '../kit/variants.ts';
import type { StrangersOrder } from './strangers.ts';
import { expectUnharmed, withstand } from './withstand.ts';

/**
 * What any pod of the cluster can do to the operator without credentials, and what one can do who knows the webhooks' paths (the API
 * server says them when a call fails). Meanwhile certificates are signed, pods admitted and probes answered.
 */
let operator: OperatorUnderAttack;
beforeEach(async () => {
  operator = await OperatorUnderAttack.start();
});
afterEach(() => operator.stop());

const attack = async (...orders: StrangersOrder[]): Promise<void> =>
  expectUnharmed(operator, await withstand(operator, orders));

test.each(
  withVariants<[string, (to: OperatorUnderAttack) => string]>(
    [['the path for pods', ({ paths }) => paths.inject]],
    [
      ['a path that is none', () => '/validate'],
      ['the path for rules', ({ paths }) => paths.validate],
    ],
  ),
)('60 unfinished bodies of 7 MB to %s', async (_what, path) => {
  const order = { behaviour: 'unfinished body', open: 60, perSecond: 60, from: 'many addresses' } as const;
  await attack({ ...order, port: operator.ports.webhooks, path: path(operator) });
});

describe.each(['signing', 'webhooks'] as const)('4,200 stalled handshakes at the port for %s', (port) => {
  test.each(
    withVariants<[StrangersOrder['behaviour'], StrangersOrder['from']]>(
      [['half a hello', 'many addresses']],
      [
        ['silent', 'many addresses'],
        ['half a hello', 'one address'],
        ['a whole hello', 'many addresses'],
        ['a whole hello', 'one address'],
      ],
    ),
  )('%s, from %s', async (behaviour, from) => {
    await attack({ port: operator.ports[port], behaviour, open: 4_200, perSecond: 1_500, from });
  });
});

test.each(
  withVariants<[StrangersOrder['behaviour'], StrangersOrder['from']]>(
    [['garbage tokens', 'many addresses']],
    [
      ['garbage tokens', 'one address'],
      ['forged tokens', 'many addresses'],
    ],
  ),
)(
  'a flood of requests for certificates with %s, from %s, asks the API server little',
  async (behaviour, from) => {
    const before = operator.cluster.tokenReviews;
    await attack({ port: operator.ports.signing, behaviour, open: 100, perSecond: 200, from });
    const expected = await operator.metric('mesh_signing_token_reviews_total', 'caller="expected"');
    const all = operator.cluster.tokenReviews - before;
    // A burst of 100, and 20 a second of at most a minute.
    expect(all - expected).toBeLessThan(1_400);
  },
);

test.each(
  withVariants<['signing' | 'webhooks' | 'bundle' | 'outside' | 'http', string]>(
    [
      ['signing', '/nothing'],
      ['http', '/metrics'],
    ],
    [
      ['webhooks', '/nothing'],
      ['bundle', '/bundle'],
      ['signing', '/bundle'],
      ['outside', '/v1/address'],
      ['http', '/readyz'],
    ],
  ),
)('requests as fast as they are answered, at the port for %s, for %s', async (port, path) => {
  const order = { behaviour: 'requests', open: 100, perSecond: 1_000, path } as const;
  const plain = port === 'http' ? ({ isPlain: true } as const) : {};
  for (const from of ['many addresses', 'one address'] as const)
    await attack({ ...order, ...plain, from, port: operator.ports[port] });
});

test.each(withVariants<StrangersOrder['behaviour']>(['4000 containers'], ['50000 containers']))(
  'reviews of pods with %s, by whoever knows the path',
  async (behaviour) => {
    const port = operator.ports.webhooks;
    await attack({
      port,
      behaviour,
      open: 4,
      perSecond: 20,
      from: 'many addresses',
      path: operator.paths.inject,
    });
  },
);

test.each(
  withVariants<'signing' | 'webhooks' | 'bundle' | 'outside' | 'http'>(
    ['signing', 'outside'],
    ['webhooks', 'bundle', 'http'],
  ),
)('requests whose headers come byte by byte, 1,500 at the port for %s', async (port) => {
  const behaviour = port === 'http' ? 'slow headers without TLS' : 'slow headers';
  const order = { behaviour, open: 1_500, perSecond: 300, from: 'many addresses' } as const;
  await attack({ ...order, port: operator.ports[port] });
});

/** On two cores that have other work too one new connection in a hundred has waited for more than ten seconds. */
const variant = process.env['MESH_ATTACKS'] === 'all' ? test : test.skip;
variant('everything at once', async () => {
  const { ports, paths } = operator;
  const from = 'many addresses';
  await attack(
    { port: ports.webhooks, behaviour: 'unfinished body', open: 60, perSecond: 30, from, path: paths.inject },
    { port: ports.webhooks, behaviour: '4000 containers', open: 2, perSecond: 5, from, path: paths.inject },
    { port: ports.signing, behaviour: 'a whole hello', open: 1_000, perSecond: 300, from },
    { port: ports.outside, behaviour: 'a whole hello', open: 1_000, perSecond: 100, from },
    { port: ports.http, behaviour: 'slow headers without TLS', open: 500, perSecond: 100, from },
  );
});
