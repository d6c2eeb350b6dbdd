import { jest } from '@jest/globals';

/** Each attack goes on for a while, before and after a time of calm. */
jest.setTimeout(120_000);
