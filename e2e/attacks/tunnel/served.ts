import type { LoadFigures } from '../kit/legitimate-load.ts';
import type { SidecarUnderAttack } from '../kit/sidecar-under-attack.ts';

/** New connections may take so many times as long as in a time of calm. */
const SLOWER = 5;
/** What a calm connection takes at least, so that a very quick one sets no bound that chance breaks, milliseconds. */
const CALM_MS = 20;

/**
 * Expects that an attack has harmed nobody: the process lives, within its memory, and serves all who may use it.
 *
 * @param figures of ordinary use during the attack
 * @param calm of ordinary use before it
 */
export function expectServed(sidecar: SidecarUnderAttack, figures: LoadFigures, calm: LoadFigures): void {
  expect(sidecar.isAlive).toBe(true);
  expect(sidecar.peakBytes).toBeLessThan(sidecar.limit.bytes);
  expect(figures).toMatchObject({ failed: 0, connectionsFailed: 0 });
  expect(figures.connectMs).toBeLessThan(SLOWER * Math.max(CALM_MS, calm.connectMs));
}
