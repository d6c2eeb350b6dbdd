import { withArguments } from './passthrough.ts';

test('every stage of a Dockerfile knows the variables', () => {
  const dockerfile = 'ARG BASE=node\nFROM ${BASE} AS build\nRUN echo FROM here\nfrom debian\nCMD ["sh"]\n';
  expect(withArguments(dockerfile, ['A', 'B'])).toBe(
    'ARG BASE=node\nFROM ${BASE} AS build\nARG A\nARG B\nRUN echo FROM here\nfrom debian\nARG A\nARG B\nCMD ["sh"]\n',
  );
});
