/**
 * The cases of an attack: the first of each kind always, and its variants where all are asked for (`npm run test:attacks`, which
 * takes half an hour). `npm test` has a time limit.
 */
export function withVariants<T>(always: readonly T[], variants: readonly T[]): readonly T[] {
  return process.env['MESH_ATTACKS'] === 'all' ? [...always, ...variants] : always;
}
