export { holds, same } from '#core/json-compare.ts';
