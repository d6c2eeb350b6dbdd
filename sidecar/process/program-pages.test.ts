import { readFile } from 'node:fs/promises';

import { programRegions, releaseProgramPages } from './program-pages.ts';

const region = (head: string, { anonymous = 0, dirty = 0 } = {}) =>
  [
    head,
    'Size:               3352 kB',
    'Rss:                1000 kB',
    `Private_Dirty:     ${String(dirty).padStart(5)} kB`,
    `Anonymous:         ${String(anonymous).padStart(5)} kB`,
    'THPeligible:           0',
    'VmFlags: rd ex mr mw me sd',
  ].join('\n');

const NODE = '/usr/local/bin/node';
const CODE = `00400000-00746000 r-xp 00000000 08:01 1234                       ${NODE}`;

describe('what is given back of the program', () => {
  test('is its code and its constants', () => {
    const constants = region(`7f0000000000-7f0000001000 r--p 00001000 08:01 1234 ${NODE}`);
    expect(programRegions(`${region(CODE)}\n${constants}\n`, NODE)).toEqual([
      { start: 0x400000n, length: 0x346000n, residentKb: 1000 },
      { start: 0x7f0000000000n, length: 0x1000n, residentKb: 1000 },
    ]);
  });

  test.each([
    ['a region with a page of our own', region(CODE, { anonymous: 4 })],
    ['a region with a page that was written', region(CODE, { dirty: 4 })],
    ['a region that can be written', region(CODE.replace('r-xp', 'rw-p'))],
    ['a region that is shared', region(CODE.replace('r-xp', 'r-xs'))],
    ['a library', region(CODE.replace(NODE, '/lib/libc.so.6'))],
    ['memory without a file', region('00400000-00746000 r-xp 00000000 00:00 0')],
    ['a program that was replaced', region(`${CODE} (deleted)`)],
    ['a region of which too little is told', CODE],
    ['no regions', ''],
  ])('is never %s', (_what, smaps) => {
    expect(programRegions(smaps, NODE)).toEqual([]);
  });
});

// Only Linux has /proc/PID/smaps; elsewhere nothing is given back.
const onLinux = process.platform === 'linux' ? test : test.skip;

onLinux('what was given back no longer counts as memory, and the process goes on', async () => {
  const fileKb = async () =>
    Number(/^RssFile:\s+(\d+) kB$/m.exec(await readFile('/proc/self/status', 'latin1'))?.[1]);
  const before = await fileKb();
  const released = await releaseProgramPages();
  const after = await fileKb();
  expect(released).toBeGreaterThan(10_000);
  expect(before - after).toBeGreaterThan(released / 4);
  expect(JSON.parse(JSON.stringify({ still: ['here'] }))).toEqual({ still: ['here'] });
});
