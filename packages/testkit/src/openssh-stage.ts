/** Where the tests of plain OpenSSH play: a hidden ssh, a host behind it, a person with a configuration; and the table of what they measured. */
import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { GATE, Household } from './household.ts';
import { Namespace } from './namespace.ts';
import { SshHome, type Timed } from './ssh-home.ts';
import { Sshd } from './sshd.ts';

/** A host behind the gate. */
export const INNER = '10.88.0.2';
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
export class Stage implements AsyncDisposable {
  readonly house: Household;
  readonly home: SshHome;
  readonly inner: Namespace;
  readonly rows: string[][] = [];
  readonly #stack: AsyncDisposableStack;
  #granted = 0;

  private constructor(stack: AsyncDisposableStack, house: Household, home: SshHome, inner: Namespace) {
    this.inner = inner;
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
    const stage = new Stage(stack.move(), house, home, inner);
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

  /** A line that fails because the gate does not answer: within its bounded wait, with one line of ours and one of ssh. */
  async silent(what: string, line: string): Promise<void> {
    const ran = await this.run(line);
    const lines = ran.err.trim().split('\n');
    this.row(what, ran, 0, 'stderr:');
    for (const text of lines) this.rows.push(['', '', '', text.trim()]);
    assert.equal(ran.code, 255);
    assert.equal(lines.length, 2, ran.err);
    assert.match(lines[0] ?? '', /^postern: error: no answer from demo at .* in 5 s/);
    assert.doesNotMatch(lines[1] ?? '', /postern/);
    assert.ok(ran.milliseconds > 9_000 && ran.milliseconds < 40_000, `${ran.milliseconds} ms`);
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
