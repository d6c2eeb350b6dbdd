/**
 * The words of the field instead of a dialect of our own: what is listed here stands in no identifier, message or page. Part of
 * `npm run check`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

interface Word {
  /** What is looked for, in code, comments and pages alike. */
  readonly pattern: RegExp;
  readonly say: string;
  /** Files that may have it, each with the reason beside it. */
  readonly except?: readonly string[];
}

const WORDS: readonly Word[] = [
  { pattern: /believ/i, say: 'trust, or assume where nothing is authenticated' },
  { pattern: /\banew\b/i, say: 'again' },
  { pattern: /\bshall\b/i, say: 'must, or the present tense' },
  { pattern: /since (1970|the epoch)/i, say: 'Unix time, with its unit' },
  { pattern: /goodbye|farewell|last words/i, say: 'close, close reason; or the end of the output' },
  { pattern: /\bdoors?\b|\bknocks?\b/i, say: 'port, listener, entry point; connects' },
  {
    pattern: /certificates? (runs?|ran|run|has run) out|lease (runs?|ran|has run) out/i,
    say: 'expires, has expired',
  },
  { pattern: /plain(Peer|Transport|Address)|speaksPlain/i, say: 'singleStream…; canonicalAddress' },
  {
    pattern:
      /(?<!there |there's |where )\b(is|are) no (valid |single )?(port|duration|address|upstream|certificate|name|number|object|list|JSON|field|setting)\b/i,
    say: 'is not a valid …',
  },
  {
    pattern:
      /\b(class|interface|type) (Refusal|Verdict|Answer|Fault(?! \{)|ConfigError|Listeners|Patience)\b/,
    say: 'a name with its subject',
    except: [
      'core/fault.ts',
      'e2e/cluster/dns/dns-packet.d.ts',
      'sidecar/dataplane/single-stream/verdict.ts',
    ],
  },
  {
    pattern: /\b(interface|type) \w+(Parts|Dependencies)\b/,
    say: '…Deps for collaborators, …Options for values',
  },
  { pattern: /\bstandalone\/|#standalone/, say: 'local/', except: [] },
];

/** This list, and what was said in the past. */
const NOT_READ = new Set(['scripts/words.ts', 'CHANGELOG.md', 'package-lock.json']);

const faults: string[] = [];
for (const file of tracked()) {
  const lines = readFileSync(file, 'utf8').split('\n');
  for (const { pattern, say, except = [] } of WORDS) {
    if (except.includes(file)) continue;
    lines.forEach((line, index) => {
      const found = pattern.exec(line)?.[0];
      if (found !== undefined) faults.push(`${file}:${index + 1}: ${JSON.stringify(found)}; write: ${say}`);
    });
  }
}
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;

function tracked(): readonly string[] {
  return execFileSync('git', ['ls-files', '-z'], { encoding: 'utf8' })
    .split('\0')
    .filter((file) => /\.(ts|mjs|md|yaml|tpl|txt)$/.test(file) && !NOT_READ.has(file));
}
