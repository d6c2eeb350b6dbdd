import { parseArgs } from 'node:util';

import { errorText } from '#base/error-text.ts';

import { REDIRECT_HELP } from './help.ts';
import { iptablesScript } from './iptables.ts';
import { loadRules } from './load.ts';
import { nftScript } from './nft.ts';
import { readRedirectSettings } from './settings.ts';
import type { RedirectSettings } from './settings.ts';
import { hostTools } from './tools.ts';
import type { Tools } from './tools.ts';

/** Where a command's words go. */
export interface Output {
  out(line: string): void;
  err(line: string): void;
}

const TOOL_CHOICES = ['auto', 'nft', 'iptables'] as const;
export type ToolChoice = (typeof TOOL_CHOICES)[number];

const console_: Output = { out: (line) => console.log(line), err: (line) => console.error(line) };

/**
 * The command `redirect` of the sidecar image, run by the init container.
 *
 * @param argv what follows the command's name
 * @returns the exit code: 0 done, 1 the rules could not be loaded, 2 wrong arguments or settings
 */
export async function runRedirect(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  output: Output = console_,
  tools: Tools = hostTools,
): Promise<number> {
  const options = readOptions(argv);
  if ('fault' in options) {
    output.err(`redirect: ${options.fault} See redirect --help.`);
    return 2;
  }
  if (options.help) {
    output.out(REDIRECT_HELP);
    return 0;
  }
  const read = readRedirectSettings(env);
  if ('faults' in read) {
    for (const fault of read.faults) output.err(`redirect: ${fault}`);
    return 2;
  }
  if (options.dryRun) {
    output.out(scriptText(read.settings, options.tool));
    return 0;
  }
  const result = await loadRules(read.settings, options.tool, tools);
  if ('fault' in result) {
    output.err(`redirect: ${result.fault}`);
    return 1;
  }
  output.out(`redirect: loaded with ${result.loadedWith}`);
  return 0;
}

interface Options {
  readonly help: boolean;
  readonly dryRun: boolean;
  readonly tool: ToolChoice;
}

function readOptions(argv: readonly string[]): Options | { readonly fault: string } {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        help: { type: 'boolean', default: false },
        'dry-run': { type: 'boolean', default: false },
        tool: { type: 'string', default: 'auto' },
      },
    });
    const tool = TOOL_CHOICES.find((choice) => choice === values.tool);
    if (!tool)
      return { fault: `--tool ${JSON.stringify(values.tool)}: write one of ${TOOL_CHOICES.join(', ')}.` };
    return { help: values.help, dryRun: values['dry-run'], tool };
  } catch (error) {
    return { fault: errorText(error) };
  }
}

function scriptText(settings: RedirectSettings, tool: ToolChoice): string {
  if (tool !== 'iptables') return `# nft --file -\n${nftScript(settings)}`;
  return `# iptables-restore --noflush\n${iptablesScript(settings, 4)}\n# ip6tables-restore --noflush\n${iptablesScript(settings, 6)}`;
}
