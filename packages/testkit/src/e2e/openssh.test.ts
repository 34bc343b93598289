import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test, type TestContext } from 'node:test';
import { GATE, Household } from '../household.ts';
import { Namespace, namespacesAvailable } from '../namespace.ts';
import { SshHome, type Timed } from '../ssh-home.ts';
import { Sshd } from '../sshd.ts';

const skip = namespacesAvailable() || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: network namespaces';
const INNER = '10.88.0.2';
const SERVICES = `[services.ssh]
ports = ["tcp/22"]
seconds = 60
single_use = true
protect = true

[services.timed]
ports = ["tcp/2222"]
seconds = 60
protect = true
`;

/** A gate whose ssh is hidden, for one connection each; a host behind it; and a person with plain OpenSSH. */
class Stage implements AsyncDisposable {
  readonly house: Household;
  readonly home: SshHome;
  readonly rows: string[][] = [];
  readonly #stack: AsyncDisposableStack;
  #granted = 0;

  private constructor(stack: AsyncDisposableStack, house: Household, home: SshHome) {
    this.#stack = stack;
    this.house = house;
    this.home = home;
  }

  static async build(): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const house = stack.use(await Household.build({ services: SERVICES }));
    const inner = stack.use(new Namespace('inner'));
    house.gateSide.connect(inner, ['10.88.0.1/24'], [`${INNER}/24`]);
    const names = [`${GATE[4]} both`, `${GATE[6]} both`];
    const home = stack.use(new SshHome(house.world, names));
    const servers = [];
    for (const [side, port] of [
      [house.gateSide, 22],
      [house.gateSide, 2222],
      [inner, 22],
    ] as const) {
      servers.push(stack.use(await Sshd.start(side, port)));
    }
    house.joinWith((house.gate.json('user', 'add', 'alice') as { invite: string }).invite, home.xdg);
    const own = [
      'Host inner',
      `  HostName ${INNER}`,
      '  ProxyJump both',
      'Host timed',
      '  HostName both',
      '  Port 2222',
      'Host *',
      ...servers.map(({ identity }) => `  IdentityFile ${identity}`),
      '  IdentitiesOnly yes',
      '  StrictHostKeyChecking accept-new',
      '  BatchMode yes',
      '  ConnectTimeout 3',
      '  LogLevel ERROR',
      '',
    ];
    writeFileSync(home.config, own.join('\n'), { mode: 0o600 });
    const stage = new Stage(stack.move(), house, home);
    await stage.#files();
    return stage;
  }

  /** Something to copy. */
  async #files(): Promise<void> {
    const at = (name: string): string => join(this.home.directory, name);
    mkdirSync(at('site'));
    writeFileSync(at('site/page'), 'a page\n');
    const made = await this.home.run(
      'git init -q repo && cd repo && git config user.email a@example.com && git config user.name A && git commit -q --allow-empty -m first',
    );
    assert.equal(made.code, 0, made.err);
    mkdirSync(at('to'));
  }

  run(line: string): Promise<Timed> {
    return this.home.run(line);
  }

  /** Grants that the gate has made since the last time that this was asked. */
  granted(): number {
    const { granted } = this.house.gate.json('status') as { granted: number };
    const more = granted - this.#granted;
    this.#granted = granted;
    return more;
  }

  /** Nothing is open when the next one begins: what a knock opened for the other family is closed. */
  async close(): Promise<void> {
    const open = this.house.grants();
    if (open.length === 0) return;
    const service = open.some((line) => line.includes('. 2222')) ? 'timed' : 'ssh';
    const closed = await this.run(`postern close demo ${service}`);
    assert.equal(closed.code, 0, closed.err);
    assert.deepEqual(this.house.grants(), []);
  }

  /** A line that must work, from a gate where nothing is open; how many grants it took. */
  async works(what: string, line: string, remark = ''): Promise<Timed & { grants: number }> {
    await this.close();
    const ran = await this.run(line);
    const grants = this.granted();
    assert.equal(ran.code, 0, `${what}: ${ran.err}`);
    assert.equal(ran.err, '', what);
    this.row(what, ran, grants, remark);
    return { ...ran, grants };
  }

  /** So many lines at the same time; all must work. */
  async atOnce(what: string, line: (i: number) => string, count: number): Promise<void> {
    const begun = performance.now();
    const all = await Promise.all(Array.from({ length: count }, (_, i) => this.run(line(i))));
    for (const [i, { code, out, err }] of all.entries()) {
      assert.deepEqual({ code, out, err }, { code: 0, out: `number ${i}\n`, err: '' }, what);
    }
    this.row(what, { milliseconds: performance.now() - begun }, this.granted(), 'all work');
  }

  row(what: string, { milliseconds }: Pick<Timed, 'milliseconds'>, grants: number | string, remark: string): void {
    this.rows.push([what, `${Math.round(milliseconds)} ms`, String(grants), remark]);
  }

  print(context: TestContext): void {
    const table = [['case', 'took', 'grants', 'remark'], ...this.rows];
    const widths = [0, 1, 2].map((i) => Math.max(...table.map((row) => row[i]?.length ?? 0)));
    for (const row of table)
      context.diagnostic(
        row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd(),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

const LINES = {
  'ssh, a name that only Postern knows': 'ssh demo true',
  'ssh, IPv4 and IPv6 by name': 'ssh both true',
  'ssh -4': 'ssh -4 both true',
  'ssh -6': 'ssh -6 both true',
  scp: 'scp -q site/page both:$HOME/to/scp',
  'scp, the old protocol': 'scp -q -O site/page both:$HOME/to/scp-o',
  sftp: 'echo "put site/page $HOME/to/sftp" | sftp -q -b - both',
  rsync: 'rsync -a site/ both:$HOME/to/rsync/',
  'git clone': 'git clone -q both:$HOME/repo to/clone$RANDOM',
  'ssh -J: through the gate to a host behind it': `ssh -J both ${INNER} true`,
  'ProxyJump in the configuration': 'ssh inner true',
};

test('plain OpenSSH knocks by itself', { skip, timeout: 280_000 }, async (context) => {
  await using stage = await Stage.build();
  const { home, house } = stage;
  const before = readFileSync(home.config);
  const own = join(home.directory, '.ssh/postern.conf');
  /** A configuration for `ssh -F` that is like the person's own. */
  const another = (directory: string, more = ''): void => {
    mkdirSync(join(home.directory, directory), { mode: 0o700 });
    writeFileSync(join(home.directory, directory, 'config'), `${before.toString()}${more}`, { mode: 0o600 });
  };

  await context.test('without the block every one of them fails', async () => {
    const all = await Promise.all(
      Object.entries(LINES).map(async ([what, line]) => [what, await stage.run(line)] as const),
    );
    for (const [what, { code }] of all) assert.notEqual(code, 0, what);
    assert.equal(stage.granted(), 0);
    const slowest = { milliseconds: Math.max(...all.map(([, ran]) => ran.milliseconds)) };
    stage.row(`each of the next ${all.length}, without the block`, slowest, 0, 'all fail');
  });

  await context.test('the block is written, and writing it again changes nothing', async () => {
    const line = 'postern ssh-config demo --also both --also timed';
    const wrote = await stage.run(line);
    assert.equal(wrote.code, 0, wrote.err);
    const [text, config] = [readFileSync(own), readFileSync(home.config)];
    assert.match(text.toString(), /^Match !canonical originalhost demo,both,timed,10\.77\.0\.1,fd77::1 !exec/m);
    assert.match(text.toString(), /^Match originalhost demo\n {4}HostName 10\.77\.0\.1\n {4}HostKeyAlias demo\n/m);
    assert.match((await stage.run(line)).out, /^nothing to change/);
    assert.deepEqual([readFileSync(own), readFileSync(home.config)], [text, config]);
  });

  for (const [what, line] of Object.entries(LINES)) {
    await context.test(what, async () => {
      await stage.works(what, line);
    });
  }

  await context.test('ten at once, for one connection each', async () => {
    await stage.close();
    await stage.atOnce('ten at once, single-use', (i) => `ssh -4 both echo number ${i}`, 10);
  });

  await context.test('ten at once, with a grant that they share', async () => {
    const wrote = await stage.run(
      'postern ssh-config demo --service timed --also timed --also both --print > timed.conf',
    );
    assert.equal(wrote.code, 0, wrote.err);
    writeFileSync(
      join(home.directory, 'timed.conf'),
      `${readFileSync(join(home.directory, 'timed.conf'), 'utf8')}Match all\n${before.toString()}`,
      { mode: 0o600 },
    );
    await stage.atOnce('ten at once, timed', (i) => `ssh -4 -F timed.conf timed echo number ${i}`, 10);
  });

  await context.test('what connects nowhere does not knock', async () => {
    const asked = await stage.works('ssh -G', 'ssh -G both >/dev/null', 'as editors do');
    assert.equal(asked.grants, 0);
  });

  await context.test('a configuration that is read twice knocks once', async () => {
    another('twice', 'Match final all\n  Compression no\n');
    const block = readFileSync(own);
    writeFileSync(join(home.directory, 'twice/postern.conf'), block, { mode: 0o600 });
    const config = join(home.directory, 'twice/config');
    writeFileSync(config, `Include ${join(home.directory, 'twice/postern.conf')}\n${readFileSync(config, 'utf8')}`);
    const final = await stage.works('Match final', 'ssh -4 -F twice/config both true', 'Fedora has one for all hosts');
    assert.equal(final.grants, 1);
    const canonical = await stage.works(
      'CanonicalizeHostname',
      'ssh -4 -o CanonicalizeHostname=always both true',
      'always',
    );
    assert.equal(canonical.grants, 1);
  });

  await context.test('a ControlMaster is unharmed', async () => {
    const path = '-o ControlPath=cm-%C';
    await stage.works('ControlMaster, the master', `ssh -4 -M -N -f ${path} both >log 2>&1 </dev/null`);
    const through = await stage.works('ControlMaster, through it', `ssh -4 ${path} both true`, 'a needless knock');
    assert.ok(through.grants <= 1);
    const plain = await stage.works('… without the block', `ssh -4 -F none ${path} both true`, 'for comparison');
    assert.equal(plain.grants, 0);
    assert.equal((await stage.works('ssh -O exit', `ssh -4 ${path} -O exit both 2>log`)).grants, 0);
  });

  await context.test('`postern ssh` knocks once, with the block too', async () => {
    const { grants } = await stage.works('postern ssh', 'postern ssh --quiet demo true');
    assert.equal(grants, 1);
  });

  await context.test('with ProxyCommand instead', async () => {
    another('proxy');
    const file = '-F proxy/config';
    const wrote = await stage.run('postern ssh-config demo --proxy-command --also both --file proxy/config');
    assert.equal(wrote.code, 0, wrote.err);
    await stage.works('proxy: ssh, a name that only Postern knows', `ssh ${file} demo true`);
    await stage.works('proxy: ssh -4', `ssh -4 ${file} both true`);
    const six = await stage.works('proxy: ssh -6', `ssh -6 ${file} both 'echo $SSH_CONNECTION'`);
    assert.match(six.out, /fd77::/);
    await stage.works('proxy: scp', `scp -q ${file} site/page both:$HOME/to/proxied`);
    await stage.works('proxy: rsync', `rsync -a -e 'ssh ${file}' site/ both:$HOME/to/proxied-rsync/`);
    await stage.works(
      'proxy: git clone',
      `GIT_SSH_COMMAND='ssh ${file}' git clone -q both:$HOME/repo to/proxied-clone`,
    );
    await stage.works('proxy: ssh -J', `ssh ${file} -J both ${INNER} true`);
    await stage.close();
    await stage.atOnce('proxy: ten at once, single-use', (i) => `ssh -4 ${file} both echo number ${i}`, 10);
    assert.equal((await stage.works('proxy: ssh -G', `ssh ${file} -G both >log`)).grants, 0);
    await stage.works('proxy: the master', `ssh -4 ${file} -M -N -f -o ControlPath=cp-%C both >log 2>&1 </dev/null`);
    const through = await stage.works('proxy: through the master', `ssh -4 ${file} -o ControlPath=cp-%C both true`);
    assert.equal(through.grants, 0);
    await stage.works('proxy: postern ssh', `postern ssh --quiet ${file} demo true`);
  });

  await context.test('many bytes', async () => {
    await stage.run('head -c 64M /dev/zero > many');
    await stage.works('64 MB by scp', 'scp -q -4 many both:$HOME/to/many');
    await stage.works('proxy: 64 MB by scp', 'scp -q -4 -F proxy/config many both:$HOME/to/many');
  });

  await context.test('a gate that is dead costs a bounded wait and one line of ours', async () => {
    await stage.close();
    await house.gate.stop('SIGKILL');
    const [block, proxy] = await Promise.all([
      stage.run('ssh -4 both true'),
      stage.run('ssh -4 -F proxy/config both true'),
    ]);
    for (const [what, { code, err, milliseconds }] of [
      ['gate dead', block],
      ['proxy: gate dead', proxy],
    ] as const) {
      const lines = err.trim().split('\n');
      stage.row(what, { milliseconds }, 0, `stderr: ${lines.length} lines`);
      for (const line of lines) stage.rows.push(['', '', '', line.trim()]);
      assert.equal(code, 255);
      assert.equal(lines.filter((line) => line.startsWith('postern')).length, 1, err);
      assert.match(lines[0] ?? '', /^postern: error: no answer from demo at .* in 5 s/);
      assert.equal(lines.length, 2, 'ours, and that of ssh');
      assert.ok(milliseconds > 9_000 && milliseconds < 30_000, `${milliseconds} ms`);
    }
    await house.gate.start();
  });

  await context.test('--remove leaves the configuration as it was, and nothing knocks any more', async () => {
    const removed = await stage.run('postern ssh-config demo --remove');
    assert.equal(removed.code, 0, removed.err);
    assert.deepEqual(readFileSync(home.config), before);
    assert.equal(existsSync(own), false);
    const ran = await stage.run('ssh -4 both true');
    assert.equal(ran.code, 255);
    stage.row('after --remove', ran, 0, 'fails');
  });
  stage.print(context);
});
