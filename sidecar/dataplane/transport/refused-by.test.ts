import { refusedBy } from './refused-by.ts';

/** A peer writes the code of its refusal as it likes. */

test.each(['constructor', '__proto__', 'toString', 'no such code', ''])(
  'a refusal with the code %j, which is not in the table, is one of an application that is not reached',
  (code) => {
    expect(refusedBy(code, 'refused')).toMatchObject({ reason: 'app-unreachable', message: 'refused' });
  },
);
