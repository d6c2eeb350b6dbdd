import { runRedirect } from './run.ts';
import { FakeTools } from './testing/tools.fake.ts';

const REFUSED = {
  code: 1,
  stderr: '\nError: Could not process rule: Operation not supported\nadd rule ...\n',
};
const MISSING = { code: 127, stderr: 'spawn ENOENT', missing: true };

describe('the command redirect', () => {
  let tools: FakeTools;
  let out: string[];
  let err: string[];
  beforeEach(() => {
    tools = new FakeTools();
    out = [];
    err = [];
  });
  const redirect = (argv: readonly string[] = [], env: Record<string, string> = {}): Promise<number> =>
    runRedirect(argv, env, { out: (line) => out.push(line), err: (line) => err.push(line) }, tools);

  test('loads one nft script and says so', async () => {
    expect(await redirect()).toBe(0);
    expect(tools.programs).toEqual(['nft']);
    expect(tools.runs[0]).toMatchObject({
      args: ['--file', '-'],
      input: expect.stringContaining('redirect to :20000'),
    });
    expect(out).toEqual(['redirect: loaded with nft']);
  });

  test('loads iptables rules for both families where the kernel refuses nft', async () => {
    tools.answers.set('nft', REFUSED);
    expect(await redirect()).toBe(0);
    expect(tools.programs.filter((program) => program.endsWith('restore'))).toEqual([
      'iptables-legacy-restore',
      'ip6tables-legacy-restore',
    ]);
    expect(out).toEqual(['redirect: loaded with iptables-legacy']);
  });

  test('leaves IPv6 alone where it is switched off', async () => {
    tools.ipv6 = false;
    expect(await redirect(['--tool', 'iptables'])).toBe(0);
    expect(tools.programs).toEqual(['iptables-legacy-save', 'iptables-legacy-restore']);
  });

  test('takes the other kind of iptables where the first is not installed', async () => {
    tools.answers.set('nft', REFUSED).set('iptables-legacy-save', MISSING);
    expect(await redirect()).toBe(0);
    expect(out).toEqual(['redirect: loaded with iptables-nft']);
  });

  test('fails where rules for IPv6 cannot be loaded: it would be a way around', async () => {
    tools.answers
      .set('nft', REFUSED)
      .set('ip6tables-legacy-restore', REFUSED)
      .set('ip6tables-nft-restore', REFUSED);
    expect(await redirect()).toBe(1);
  });

  test('says in one sentence what every tool complained about', async () => {
    tools.answers.set('nft', REFUSED).set('iptables-legacy-save', REFUSED).set('iptables-nft-save', MISSING);
    expect(await redirect()).toBe(1);
    expect(err).toEqual([
      'redirect: the kernel takes no redirection rules (nft: Error: Could not process rule: Operation not supported; ' +
        'iptables-legacy: Error: Could not process rule: Operation not supported; iptables-nft: not installed).',
    ]);
  });

  test('says what to do when NET_ADMIN is missing, and runs nothing', async () => {
    tools.netAdmin = false;
    expect(await redirect()).toBe(1);
    expect(tools.runs).toEqual([]);
    expect(err.join()).toMatch(/NET_ADMIN.*mesh\/transparent: "false"/);
  });

  test('prints what it would load with --dry-run, and needs no capability for that', async () => {
    tools.netAdmin = false;
    expect(await redirect(['--dry-run'], { MESH_SKIP_OUTBOUND_PORTS: '25' })).toBe(0);
    expect(out.join('\n')).toMatch(/tcp dport \{ 25 \} return comment "mesh\/skip-outbound-ports"/);
    out.length = 0;
    expect(await redirect(['--dry-run', '--tool', 'iptables'])).toBe(0);
    expect(out.join('\n')).toContain('# ip6tables-restore --noflush');
    expect(tools.runs).toEqual([]);
  });

  test('refuses faulty settings, all at once, and loads nothing', async () => {
    expect(await redirect([], { MESH_SKIP_INBOUND_PORTS: 'x', MESH_SKIP_OUTBOUND_CIDRS: 'y' })).toBe(2);
    expect(err).toHaveLength(2);
    expect(tools.runs).toEqual([]);
  });

  test.each([[['--tool', 'ipfw']], [['--nonsense']], [['extra']]])(
    'refuses the arguments %j and names the help',
    async (argv) => {
      expect(await redirect(argv)).toBe(2);
      expect(err.join()).toContain('redirect --help');
    },
  );

  test('--help shows the variables and examples', async () => {
    expect(await redirect(['--help'])).toBe(0);
    expect(out.join()).toMatch(/MESH_SKIP_OUTBOUND_CIDRS[\s\S]*Examples:/);
  });
});
