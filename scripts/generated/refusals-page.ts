import { REFUSAL_TEXTS } from '#core/refusal-texts.ts';
import { REFUSALS, refusalRow } from '#core/refusals.ts';
import type { Reason } from '#core/refusals.ts';

/** The page that says what each reason of a refusal means, who sees it and what to do. */
export function refusalsPage(): string {
  const reasons = Object.keys(REFUSALS) as Reason[];
  const ends = reasons.filter((reason) => refusalRow(reason).endOnly);
  const refusals = reasons.filter((reason) => !ends.includes(reason));
  return `# Why connections are refused, cut or ended

Each reason is the field \`reason\` of a line in a sidecar's log (\`connection refused\`, \`connection cut\`, \`connection ended by the other
sidecar\`; \`decision\` is the sentence to it) and the label \`reason\` of \`mesh_connections_refused_total\`, \`mesh_connections_cut_total\`,
\`mesh_dial_retries_total\` and \`mesh_tunnels_closed_total\` ([all metrics](sidecar-metrics.md)). In metrics \`internal\` is a fault of the sidecar, whose log has it as an
error, and \`unknown\` is a number of a newer version.
What has no code on the wire ends with \`app-reset\` in a tunnel, and with a reset of the connection elsewhere. Why a certificate is not issued is [another list](certificates.md#reasons).
Generated from \`core/refusals.ts\` and \`core/refusal-texts.ts\` by \`npm run generate\`.

## Refused or cut

${refusals.map(section).join('\n\n')}

## How tunnels and their streams end besides

No connection is refused with these; they are in the metrics of tunnels, and in the log where the other sidecar ended a connection so.

${ends.map(section).join('\n\n')}
`;
}

/** GitHub's anchor of a heading that is one such word is the word itself. */
function section(reason: Reason): string {
  const { meaning, seenBy, action } = REFUSAL_TEXTS[reason];
  return `### ${reason}

${meaning}

- Seen by: ${seenBy}.
- What to do: ${action}
- Wire: ${onTheWire(reason)}.${another(reason)}`;
}

function onTheWire(reason: Reason): string {
  const { code, verdict } = refusalRow(reason);
  if (code === undefined) return 'no code';
  if (reason === 'tunnel-lost') return `code ${code} of \`mesh/1\`, never sent`;
  const both = verdict ? ', and a verdict of `mesh-stream/1`' : '';
  return `code ${code} of \`mesh/1\`${both}`;
}

function another(reason: Reason): string {
  const { next } = refusalRow(reason);
  if (!next) return '';
  if (!next.retry) return ' A caller that hears it does not try another pod.';
  const ejected = next.eject ? ', and leaves this one alone for a while' : '';
  return ` A caller that hears it tries another pod${ejected}.`;
}
