import type { ToolResult, Tools } from '../tools.ts';

/** A machine that answers as the test says, and remembers what was run on it. */
export class FakeTools implements Tools {
  netAdmin = true;
  ipv6 = true;
  /** Program -> how it ends; those not named here succeed. */
  readonly answers = new Map<string, Partial<ToolResult>>();
  readonly runs: { readonly program: string; readonly args: readonly string[]; readonly input: string }[] =
    [];

  run(program: string, args: readonly string[], input: string): Promise<ToolResult> {
    this.runs.push({ program, args, input });
    return Promise.resolve({ code: 0, stdout: '', stderr: '', ...this.answers.get(program) });
  }

  hasNetAdmin(): boolean {
    return this.netAdmin;
  }

  hasIpv6(): boolean {
    return this.ipv6;
  }

  get programs(): string[] {
    return this.runs.map(({ program }) => program);
  }
}
