import { METRICS, createMetrics } from './metrics.ts';

describe('the operator’s metrics', () => {
  test('names follow Prometheus: one prefix, units and _total where they belong', () => {
    for (const { kind, name, help } of Object.values(METRICS)) {
      expect(name).toMatch(/^mesh_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(kind === 'counter');
      if (kind === 'histogram') expect(name).toMatch(/_seconds$/);
      expect(help).toMatch(/\.$/);
    }
    expect(new Set(Object.values(METRICS).map(({ name }) => name)).size).toBe(Object.keys(METRICS).length);
  });

  test('every metric of the table is exposed, and two sets do not disturb each other', async () => {
    const one = createMetrics();
    const two = createMetrics();
    one.metrics.reconciles.inc({ controller: 'intention', result: 'ok' });
    const text = await one.registry.metrics();
    for (const { name } of Object.values(METRICS)) expect(text).toContain(`# HELP ${name} `);
    expect(text).toContain('mesh_operator_reconciles_total{controller="intention",result="ok"} 1');
    expect(await two.registry.metrics()).not.toContain('controller="intention"');
  });
});
