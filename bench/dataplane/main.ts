/** `npm run bench:dataplane`: our data plane beside other proxies. The method: docs/performance.md. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

import { makePeerCertificates } from './machine/certificates.ts';
import { House } from './machine/house.ts';
import { UsageError, parseOptions } from './options.ts';
import type { Options } from './options.ts';
import { progress } from './progress.ts';
import { renderChart } from './report/chart.ts';
import { compare } from './report/comparison.ts';
import { documentOf, machine } from './report/document.ts';
import { renderTable } from './report/table.ts';
import { runBenchmark } from './run.ts';
import type { Outcome } from './run.ts';

async function main(args: readonly string[]): Promise<number> {
  const options = parseOptions(args);
  if ('help' in options) {
    process.stdout.write(options.help);
    return 0;
  }
  const node = process.env['MESH_BENCH_NODE'] ?? process.execPath;
  if (!existsSync(node))
    throw new UsageError(`MESH_BENCH_NODE ${JSON.stringify(node)} is not a file: write the path of a Node.`);
  const house = new House({
    certificates: await makePeerCertificates(),
    node,
    say: progress(),
  });
  endWith(house);
  try {
    const outcome = await runBenchmark(house, options);
    report(options, outcome);
    return outcome.samples.isEmpty ? 1 : 0;
  } finally {
    await house.close();
  }
}

/** Whatever ends this process ends what it started. */
function endWith(house: House): void {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)
    process.once(signal, () => process.exit(code));
  process.once('exit', () => house.abandon());
}

function report(options: Options, outcome: Outcome): void {
  const rows = compare(outcome.proxies, outcome.samples);
  const document = `${JSON.stringify(documentOf(options, outcome, rows), undefined, 2)}\n`;
  if (options.json === true) process.stdout.write(document);
  else process.stdout.write(`${renderTable(outcome.proxies, rows)}\n${notes(outcome)}\n`);
  if (typeof options.json === 'string') save(options.json, document);
  if (options.chart !== undefined) {
    const { cpu, cores } = machine();
    const subtitle = `${cores} cores (${cpu}), ${options.rounds} rounds of ${options.seconds} s, medians; the red line is the target`;
    save(options.chart, renderChart(outcome.proxies, rows, subtitle));
  }
}

function notes({ missing, openRate, originIs }: Outcome): string {
  const { cpu, cores, load } = machine();
  return [
    '',
    `${cores} cores (${cpu}), load average ${load}; the server is ${originIs}.`,
    ...(openRate === undefined ? [] : [`The open loop sent ${openRate} requests per second.`]),
    ...missing.map(({ proxy, work, round, reason }) =>
      work === undefined
        ? `${proxy} was skipped: ${reason}.`
        : `${proxy}, ${work} in round ${round}: ${reason}.`,
    ),
  ].join('\n');
}

function save(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error instanceof UsageError ? error.message : error);
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
