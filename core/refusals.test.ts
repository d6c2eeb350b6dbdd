import { readFileSync } from 'node:fs';

import { REFUSALS, refusalRow } from './refusals.ts';
import type { PeerRefusal, Reason, VerdictCode } from './refusals.ts';

const TUNNEL_PAGE = new URL('../docs/tunnel.md', import.meta.url);

const reasons = Object.keys(REFUSALS) as Reason[];

test('no number stands for two reasons', () => {
  const codes = reasons.flatMap((reason) => refusalRow(reason).code ?? []);
  expect(new Set(codes).size).toBe(codes.length);
});

test('the protocol as it is written down has every number, with its name and whether another pod may do better', () => {
  const rows = [
    ...readFileSync(TUNNEL_PAGE, 'utf8').matchAll(/^\| (\d+) +\| `([a-z-]+)` +\|.*\| (yes|no|) *\|$/gm),
  ];
  const written = rows.map(([, code, reason, another]) => [reason, Number(code), another]);
  const answers = { true: 'yes', false: 'no', undefined: '' } as const;
  const actual = reasons
    .map((reason) => [reason, refusalRow(reason)] as const)
    .filter(([, { code }]) => code !== undefined)
    .sort(([, left], [, right]) => (left.code ?? 0) - (right.code ?? 0))
    .map(([reason, { code, next }]) => [reason, code, answers[`${next?.retry}`]]);
  expect(actual).toEqual(written);
});

/** A line may be added; none may change, or peers of two versions misunderstand each other. */
const VERDICTS: Readonly<Record<VerdictCode, true>> = {
  denied: true,
  'port-not-declared': true,
  'app-unreachable': true,
  draining: true,
  'not-ready': true,
  limit: true,
};

test('peers without tunnels are told these words and no others', () => {
  expect(reasons.filter((reason) => refusalRow(reason).verdict).sort()).toEqual(Object.keys(VERDICTS).sort());
});

/** What callers make of a refusal: denials are final, and an undeclared port is no fault of the endpoint. */
const NEXT: Readonly<Record<PeerRefusal, string>> = {
  denied: 'stop',
  'port-not-declared': 'retry',
  'app-unreachable': 'retry, eject',
  draining: 'retry, eject',
  'not-ready': 'retry, eject',
  limit: 'retry, eject',
  'untrusted-certificate': 'retry, eject',
  'expired-certificate': 'retry, eject',
};

test.each(Object.entries(NEXT))('after %s a caller does: %s', (reason, wanted) => {
  const { retry, eject } = refusalRow(reason)?.next ?? { retry: true, eject: true };
  expect([...(retry ? ['retry'] : ['stop']), ...(eject ? ['eject'] : [])].join(', ')).toBe(wanted);
});

test('a caller knows what to do about every refusal that a sidecar can send, and about nothing else', () => {
  const sent = reasons.filter((reason) => refusalRow(reason).code && !refusalRow(reason).endOnly);
  expect(sent.sort()).toEqual(Object.keys(NEXT).sort());
  expect(reasons.filter((reason) => refusalRow(reason).next).sort()).toEqual(sent);
});

test.each(['constructor', '__proto__', 'toString', 'no such reason', ''])('%j has no row', (word) => {
  expect(refusalRow(word)).toBeUndefined();
});
