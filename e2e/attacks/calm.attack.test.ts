import { SidecarUnderAttack } from './kit/sidecar-under-attack.ts';

/** What every attack is compared with. It fails where the kit itself, and no attack, is at fault. */
describe('a sidecar as it ships that nobody attacks', () => {
  test('serves kept and new connections within its memory limit', async () => {
    const sidecar = await SidecarUnderAttack.start();
    try {
      const load = await sidecar.load();
      const figures = await load.run(3_000);
      expect(figures).toMatchObject({ failed: 0, connectionsFailed: 0 });
      expect(figures.requests).toBeGreaterThan(100);
      expect(figures.connections).toBeGreaterThan(5);
      expect(sidecar.peakBytes).toBeLessThan(sidecar.limit.bytes);
      expect(sidecar.isAlive).toBe(true);
    } finally {
      await sidecar.stop();
    }
  });
});
