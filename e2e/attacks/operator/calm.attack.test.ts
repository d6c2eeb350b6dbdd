import { OperatorUnderAttack } from '../kit/operator-under-attack.ts';

/** What every attack is compared with. It fails where the kit itself, and no attack, is at fault. */
test('an operator as it ships that nobody attacks signs, admits and answers probes within its memory limit', async () => {
  const operator = await OperatorUnderAttack.start();
  try {
    const load = await operator.load();
    const figures = await load.run(5_000);
    if (process.env['MESH_ATTACK_FIGURES']) console.log(JSON.stringify(figures), operator.peakBytes);
    expect(figures).toMatchObject({
      signingFailed: 0,
      connectionsFailed: 0,
      admissionFailed: 0,
      probesFailed: 0,
    });
    expect(figures.signed).toBeGreaterThan(50);
    expect(figures.connections).toBeGreaterThan(5);
    expect(figures.admitted).toBeGreaterThan(5);
    expect(operator.peakBytes).toBeLessThan(operator.limit.bytes);
    expect(operator.isAlive).toBe(true);
  } finally {
    await operator.stop();
  }
});
