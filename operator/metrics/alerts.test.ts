import { readFileSync } from 'node:fs';

import { parse } from 'yaml';

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly action: string };
}

const { groups } = parse(readFileSync('docs/alerts.yaml', 'utf8')) as {
  groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
/** The pages are generated from what the processes export. */
const documented = new Set(
  ['docs/reference/metrics.md', 'docs/reference/sidecar-metrics.md'].flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/^\| `(mesh_\w+)`/gm)].map(([, name]) => name),
  ),
);

test.each(rules)('alert $alert looks at metrics that there are, and says what to do', (rule) => {
  const names = [...rule.expr.matchAll(/mesh_\w+/g)].map(([name]) => name);
  expect(names.length).toBeGreaterThan(0);
  expect(names.filter((name) => !documented.has(name))).toEqual([]);
  expect(['warning', 'critical']).toContain(rule.labels.severity);
  expect(rule.annotations.summary.length).toBeGreaterThan(20);
  expect(rule.annotations.action.length).toBeGreaterThan(20);
});

test('every certificate is watched', () => {
  const all = rules.map(({ expr }) => expr).join(' ');
  for (const name of documented)
    if (/expiry|not_after|_valid$|authority_fault/.test(name!)) expect(all).toContain(name);
});
