import { iptablesScript } from './iptables.ts';
import { nftScript } from './nft.ts';
import type { RedirectSettings } from './settings.ts';
import type { ToolResult, Tools } from './tools.ts';

/** How the rules were loaded, or in one sentence why they could not be. */
export type LoadResult = { readonly loadedWith: string } | { readonly fault: string };

interface Attempt {
  readonly name: string;
  /** Undefined when it worked, else what went wrong. */
  load(): Promise<string | undefined>;
}

/**
 * Loads the rules into the network namespace of this process: with nft in one transaction; where that is refused (kernels
 * before 5.2, or without nf_tables) with iptables, whichever of its two kinds the kernel has.
 */
export async function loadRules(
  settings: RedirectSettings,
  choice: 'auto' | 'nft' | 'iptables',
  tools: Tools,
): Promise<LoadResult> {
  if (!tools.hasNetAdmin()) {
    return {
      fault:
        'the capability NET_ADMIN is missing; let the container add it (securityContext.capabilities.add), ' +
        'or write the annotation mesh/transparent: "false" and use local upstream ports.',
    };
  }
  const failures: string[] = [];
  for (const attempt of attempts(settings, choice, tools)) {
    const failure = await attempt.load();
    if (failure === undefined) return { loadedWith: attempt.name };
    failures.push(`${attempt.name}: ${failure}`);
  }
  return { fault: `the kernel takes no redirection rules (${failures.join('; ')}).` };
}

function attempts(settings: RedirectSettings, choice: 'auto' | 'nft' | 'iptables', tools: Tools): Attempt[] {
  const nft: Attempt = {
    name: 'nft',
    load: async () => failureOf(await tools.run('nft', ['--file', '-'], nftScript(settings))),
  };
  const iptables = (['legacy', 'nft'] as const).map((kind): Attempt => ({
    name: `iptables-${kind}`,
    load: () => loadIptables(settings, kind, tools),
  }));
  if (choice === 'auto') return [nft, ...iptables];
  return choice === 'nft' ? [nft] : iptables;
}

async function loadIptables(
  settings: RedirectSettings,
  kind: 'nft' | 'legacy',
  tools: Tools,
): Promise<string | undefined> {
  for (const family of tools.hasIpv6() ? ([4, 6] as const) : ([4] as const)) {
    const program = family === 4 ? `iptables-${kind}` : `ip6tables-${kind}`;
    const saved = await tools.run(`${program}-save`, ['-t', 'nat'], '');
    const failure =
      failureOf(saved) ?? (await restore(program, iptablesScript(settings, family, saved.stdout), tools));
    if (failure !== undefined) return failure;
  }
  return undefined;
}

async function restore(program: string, script: string, tools: Tools): Promise<string | undefined> {
  return failureOf(await tools.run(`${program}-restore`, ['--noflush', '--wait', '5'], script));
}

/** The first line of what a program complained about. */
function failureOf(result: ToolResult): string | undefined {
  if (result.code === 0) return undefined;
  if (result.missing) return 'not installed';
  const line = result.stderr.split('\n').find((text) => text.trim() !== '');
  return line?.trim().slice(0, 300) ?? `exit code ${result.code}`;
}
