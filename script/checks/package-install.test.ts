/**
 * What `script/package` makes, installed on a minimal Debian without Node, as the README says, word for word, up to a log-in through a
 * knock; then removed, and everything compared with before. PID 1 of these machines is not systemd: `systemctl` is answered by
 * service-manager.ts, which runs the unit's ExecStart under the unit's restrictions.
 */
import { Namespace } from '@postern/testkit';
import { temporaryDirectory } from '@postern/testkit/temporary';
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { before, test } from 'node:test';
import { ROOT } from './copy.ts';
import { debianRoot, debianRootMissing } from './debian-root.ts';
import { Machine } from './machine.ts';
import { ServiceManager } from './service-manager.ts';

const missing = debianRootMissing();
const skip = missing === undefined || process.env['CI'] === 'true' ? false : missing;
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** The blocks of code of a section, each as its lines. */
function blocks(heading: string): string[][] {
  const section = README.split(/^(?=##+ )/m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
  return [...section.matchAll(/^```\n([\s\S]*?)^```/gm)].map(([, block = '']) => block.trimEnd().split('\n'));
}

const INSTALL = blocks('## Install');
const UNINSTALL = blocks('### Uninstall');
/** The block with this word in it. */
function block(all: readonly string[][], word: string): string[] {
  const found = all.filter((lines) => lines.some((line) => line.includes(word)));
  assert.equal(found.length, 1, `one block has \`${word}\``);
  return found[0] ?? [];
}

let packages = '';
function build(directory: string, environment: Readonly<Record<string, string>>): void {
  execFileSync(join(ROOT, 'script/package'), ['--output', directory], {
    env: { ...process.env, SOURCE_DATE_EPOCH: '1795000000', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}
before(
  () => {
    if (skip !== false) return;
    debianRoot();
    packages = temporaryDirectory('postern-packages-');
    build(packages, {});
  },
  { timeout: 290_000 },
);

function hashes(directory: string): Record<string, string> {
  const hash = (name: string): string =>
    createHash('sha256')
      .update(readFileSync(join(directory, name)))
      .digest('hex');
  return Object.fromEntries(readdirSync(directory).map((name) => [name, hash(name)]));
}

test('made twice, the packages are the same byte for byte', { skip }, () => {
  const again = temporaryDirectory('postern-packages-');
  build(again, {
    TZ: 'Asia/Tokyo',
    LC_ALL: 'de_DE.UTF-8',
    USER: 'somebody',
    TMPDIR: temporaryDirectory('postern-elsewhere-'),
  });
  const made = hashes(packages);
  assert.equal(Object.keys(made).length, 3);
  assert.deepEqual(hashes(again), made);
});

test('the packages hold no tests, and shell scripts without faults', { skip }, (context) => {
  const [tarball = ''] = readdirSync(packages).filter((name) => name.endsWith('.tar.gz'));
  const directory = temporaryDirectory('postern-unpacked-');
  execFileSync('tar', ['-xzf', join(packages, tarball), '-C', directory, '--strip-components=1']);
  const files = readdirSync(directory, { recursive: true }) as string[];
  assert.deepEqual(
    files.filter((file) => /\.(test|fixture|bench)\.|testing|testdata|testkit/.test(file)),
    [],
  );
  const code = files.filter((file) => /^(client|gate)\/.*\/main\.js$/.test(file));
  assert.ok(code.length >= 3, String(files));
  assert.equal(files.filter((file) => /\.blob$|snapshot$/.test(file)).length, 0, 'what is made at the installation');
  for (const deb of readdirSync(packages).filter((name) => name.endsWith('.deb')))
    execFileSync('dpkg-deb', ['--control', join(packages, deb), join(directory, deb.split('_')[0] ?? '')]);
  const maintainers = ['postinst', 'prerm', 'postrm'].map((name) => `posternd/${name}`);
  const scripts = ['install', 'uninstall', 'client/bin/postern', 'postern/postinst', 'postern/prerm', ...maintainers];
  const checked = spawnSync('shellcheck', ['--exclude=SC2317', '--shell=dash', ...scripts], {
    cwd: directory,
    encoding: 'utf8',
  });
  if (checked.error !== undefined) context.skip('there is no shellcheck');
  else assert.equal(checked.status, 0, checked.stdout);
});

/** Everything in a machine's own file system: kind, mode, owner, content or target. */
async function everything(machine: Machine): Promise<Map<string, string>> {
  const list = await machine.must(
    `find / -xdev -printf '%P\\t%y %m %U:%G %l\\n'; cd /; find . -xdev -type f -print0 | xargs -0 sha256sum | sed 's/^\\(.\\{64\\}\\)  \\.\\/\\(.*\\)/\\2\\t\\1/'`,
  );
  const all = new Map<string, string>();
  for (const line of list.trimEnd().split('\n')) {
    const [path = '', facts = ''] = line.split('\t');
    all.set(path, `${all.get(path) ?? ''} ${facts}`);
  }
  return all;
}

/** What others than Postern write when a person logs in, and when a user or a package is added and removed. */
const OTHERS = [
  /^root\/(postern.*\.(deb|tar\.gz)$|postern-[^/]*-linux-|\.config(\/|$)|\.ssh\/known_hosts|\.bash_history|\.cache)/,
  /^var\/log\/(lastlog|wtmp|btmp|faillog|dpkg\.log|apt\/)/,
  /^etc\/(passwd|group|shadow|gshadow|subuid|subgid)-$|^etc\/\.pwd\.lock$/,
  /^var\/lib\/(dpkg\/(status|status-old|lock.*|triggers\/Lock|diversions-old|statoverride-old)|apt\/(extended_states|lists\/.*|periodic.*))$/,
  /^var\/(cache\/(apt|debconf)|lib\/systemd\/deb-systemd-.*)(\/|$)/,
];

function differences(one: ReadonlyMap<string, string>, other: ReadonlyMap<string, string>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])]
    .filter((path) => one.get(path) !== other.get(path) && !OTHERS.some((pattern) => pattern.test(path)))
    .map((path) => `${path}: ${one.get(path) ?? 'absent'} → ${other.get(path) ?? 'absent'}`)
    .sort();
}

/** Enter, whenever something is asked. */
const enter = (text: string): string | undefined => (/(\]: |\[Y\/n\] )$/.test(text) ? '' : undefined);

/** A server and a device, with ssh between them, and the packages in root's home. */
class Pair implements AsyncDisposable {
  readonly #stack = new DisposableStack();
  readonly gate: Machine;
  readonly device: Machine;
  readonly services: ServiceManager;

  private constructor(gate: Machine, device: Machine, services: ServiceManager) {
    [this.gate, this.device, this.services] = [gate, device, services];
  }

  static async build(): Promise<Pair> {
    using stack = new DisposableStack();
    const [server, world] = [stack.use(new Namespace('server')), stack.use(new Namespace('world'))];
    server.connect(world, ['10.78.0.1/24', 'fd78::1/64'], ['10.78.0.2/24', '10.78.0.66/24', 'fd78::2/64']);
    const gate = stack.use(await Machine.start(server, 'myhost'));
    const device = stack.use(await Machine.start(world, 'laptop'));
    for (const machine of [gate, device]) {
      for (const name of readdirSync(packages)) cpSync(join(packages, name), machine.path(join('/root', name)));
      await machine.must("printf '10.78.0.1 myhost\\n10.78.0.2 laptop\\n' >>/etc/hosts; mkdir -m 700 /root/.ssh");
    }
    await device.must("ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519");
    cpSync(device.path('/root/.ssh/id_ed25519.pub'), gate.path('/root/.ssh/authorized_keys'));
    const services = stack.use(await ServiceManager.start(gate));
    await gate.must(
      'nft add table inet own; nft add chain inet own in "{ type filter hook input priority 0; }"; /usr/sbin/sshd',
    );
    await device.must('ssh -o StrictHostKeyChecking=accept-new root@myhost true');
    const pair = new Pair(gate, device, services);
    pair.#stack.use(stack.move());
    return pair;
  }

  /** Whether anybody gets in without a knock: asked from an address that never knocks. */
  async open(): Promise<boolean> {
    return (await this.device.run('ssh -b 10.78.0.66 -o ConnectTimeout=2 root@myhost true')).code === 0;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#stack[Symbol.dispose]();
    return Promise.resolve();
  }
}

/** The README from `posternd init` to `posternd confirm`. */
async function hideSsh({
  gate,
  device,
  services,
  open,
}: Pick<Pair, 'gate' | 'device' | 'services'> & { open: () => Promise<boolean> }): Promise<void> {
  let invite = '';
  for (const line of block(INSTALL, 'posternd init')) {
    const { code, out } = await gate.type(line, enter);
    assert.equal(code, 0, `${line}: ${out}${services.journal}`);
    invite = /postern-invite-\S+/.exec(out)?.[0] ?? invite;
  }
  const status = await gate.must(`cat /proc/${String(services.mainPid)}/status`);
  assert.match(status, /^CapBnd:\t00000000000031e0$/m);
  assert.match(status, /^NoNewPrivs:\t1$/m);
  assert.match(status, /^Seccomp:\t2$/m);
  assert.equal(await open(), true, 'nothing is hidden yet');

  const [join_ = '', session = ''] = block(INSTALL, 'postern join');
  const joined = await device.type(join_, (text) => (text.includes('press Enter') ? invite : undefined));
  assert.equal(joined.code, 0, joined.out);

  const [confirm = ''] = block(INSTALL, 'posternd confirm');
  const typed = [...block(INSTALL, 'posternd protect')];
  let confirmed: Promise<{ code: number; out: string }> | undefined;
  let strangers: boolean | undefined;
  // A prompt of root's shell: the next line is typed; when all are, the other connection confirms while this one stays.
  const shell = await device.type(session.split('#')[0] ?? '', (text) => {
    if (!/root@myhost:\S* ?# ?$/.test(text)) return undefined;
    const next = typed.shift();
    if (next !== undefined) return next;
    confirmed ??= (async () => {
      strangers = await open();
      return await device.type(confirm);
    })();
    return 'exit';
  });
  assert.equal(shell.code, 0, shell.out);
  const result = await confirmed;
  assert.equal(strangers, false, `ssh is hidden: ${shell.out}`);
  assert.equal(result?.code, 0, result?.out);
  assert.equal(await open(), false, 'still hidden');
  const { code, out } = await device.run('postern ssh root@myhost hostname');
  assert.deepEqual([code, out.trim().split('\n').at(-1)], [0, 'myhost'], out);
  assert.match(await gate.must('posternd status'), /ssh .*(hidden|protected)/);
}

interface Way {
  readonly name: string;
  readonly prefix: string;
  readonly server: readonly string[];
  /** In the README in the sentence about the device. */
  readonly device: string;
  readonly uninstall: readonly string[];
  readonly purge: (line: string) => string;
  /** On the device, the same. */
  readonly uninstallClient: string;
  readonly again: string;
}
const TARBALL = block(INSTALL, 'tar -xf');
const WAYS: readonly Way[] = [
  {
    name: 'the Debian packages',
    prefix: '/usr',
    server: block(INSTALL, 'apt install'),
    device: 'apt install ./postern_*.deb',
    uninstall: block(UNINSTALL, 'apt remove'),
    purge: (line) => line.replace('remove', 'purge'),
    uninstallClient: 'apt remove postern',
    again: 'true',
  },
  {
    name: 'the tarball',
    prefix: '/usr/local',
    server: TARBALL,
    device: './install client',
    uninstall: block(UNINSTALL, 'uninstall'),
    purge: (line) => line.replace('uninstall ', 'uninstall --purge '),
    uninstallClient: block(UNINSTALL, 'uninstall')[0] ?? '',
    again: TARBALL.join(' && '),
  },
];

for (const way of WAYS) {
  test(
    `${way.name}, as the README says, up to a log-in; removed, nothing of it is left`,
    { skip, timeout: 280_000 },
    async () => {
      await using pair = await Pair.build();
      const { gate, device, services } = pair;
      for (const machine of [gate, device]) assert.equal((await machine.run('command -v node npm')).out, '');
      const ruleset = await gate.must('nft list ruleset');
      const before = [await everything(gate), await everything(device)] as const;

      const installed = await gate.type(`set -e\n${way.server.join('\n')}`, enter);
      assert.equal(installed.code, 0, installed.out);
      assert.equal(services.mainPid, 0, 'nothing was started');
      assert.equal(await gate.must('nft list ruleset'), ruleset, 'no rule was changed');
      assert.ok(README.includes(`\`${way.device}\``), 'the README says how on the device');
      const unpack = way.device.startsWith('apt') ? [] : way.server.slice(0, -1);
      await device.must(['set -e', ...unpack, way.device].join('\n'));
      for (const machine of [gate, device])
        assert.ok(existsSync(machine.path(`${way.prefix}/lib/postern/snapshot/client.blob`)), 'a knock starts from it');

      await hideSsh({ gate, device, services, open: () => pair.open() });

      const [line = ''] = way.uninstall;
      const removed = await gate.type(line, enter);
      assert.equal(removed.code, 0, removed.out);
      assert.equal(services.mainPid, 0, 'the daemon was stopped');
      assert.equal(await pair.open(), true, 'what was hidden is shown again');
      assert.equal(await gate.must('nft list ruleset'), ruleset);
      assert.ok(existsSync(gate.path('/etc/postern/gate.key')), 'the keys stay');
      await gate.must(way.again);
      const purged = await gate.type(way.purge(line), enter);
      assert.equal(purged.code, 0, purged.out);
      await device.must('postern hosts remove myhost');
      const gone = await device.type(way.uninstallClient, enter);
      assert.equal(gone.code, 0, gone.out);

      assert.deepEqual(differences(before[0], await everything(gate)), []);
      assert.deepEqual(differences(before[1], await everything(device)), []);
      assert.equal(await gate.must('nft list ruleset'), ruleset);
      assert.equal(existsSync(gate.path('/run/postern')), false);
    },
  );
}
