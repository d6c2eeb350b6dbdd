import { jest } from '@jest/globals';

/** Pods take their time on a busy machine; what must be fast is asserted by the tests themselves. */
jest.setTimeout(300_000);
