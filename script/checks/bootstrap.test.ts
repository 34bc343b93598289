/**
 * What script/bootstrap does to a machine, tried on a copy of this one: a mount namespace in which changes to /usr and /etc land in
 * memory, with an apt-get that does as it is told, and a checkout of its own whose packages from npm are already there.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import process from 'node:process';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

const ROOT = resolve(import.meta.dirname, '../..');
const skip = process.getuid?.() === 0 || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: a mount namespace';

let checkout = '';

before(() => {
  checkout = mkdtempSync(join(tmpdir(), 'postern-bootstrap-'));
  chmodSync(checkout, 0o755);
  for (const path of [
    'script/bootstrap',
    'script/lib.sh',
    'package.json',
    'package-lock.json',
    'tools/node/package.json',
    'tools/node/package-lock.json',
    'node_modules/.postern-stamp',
    'tools/node/node_modules/.postern-stamp',
    ...globSync('packages/*/package.json', { cwd: ROOT }),
  ]) {
    cpSync(join(ROOT, path), join(checkout, path));
  }
  for (const architecture of ['x64', 'arm64']) {
    const node = join(checkout, `tools/node/node_modules/node-linux-${architecture}/bin/node`);
    mkdirSync(dirname(node), { recursive: true });
    writeFileSync(node, `#!/bin/sh\necho ${process.version}\n`, { mode: 0o755 });
  }
});
beforeEach(() => rmSync(join(checkout, '.tools'), { recursive: true, force: true }));
after(() => rmSync(checkout, { recursive: true, force: true }));

/** The machine: without nmap and without a policy for services, with an sshd. Then `prepare`, then `run`. */
function machine(prepare: string, aptGet: string, run: string): string {
  return `set -euo pipefail
copy=$(mktemp -d)
trap 'umount -l /usr /etc "$copy"; rmdir "$copy"' EXIT
mount -t tmpfs tmpfs "$copy"
for part in usr etc; do
  mkdir -p "$copy/$part/upper" "$copy/$part/work"
  mount -t overlay overlay -o "lowerdir=/$part,upperdir=$copy/$part/upper,workdir=$copy/$part/work" "/$part"
done
rm -f /usr/bin/nmap /usr/sbin/policy-rc.d
printf '#!/bin/sh\\n' | install -m 755 /dev/stdin /usr/sbin/sshd
install -m 755 /dev/stdin /usr/local/bin/apt-get <<'APT'
#!/bin/bash
echo "apt-get $*" >>/etc/apt-calls
${aptGet}
APT
touch /etc/apt-calls
${prepare}
${run} 2>&1 && echo 'exit 0' || echo "exit $?"
cat /etc/during 2>/dev/null || true
echo "policy after: $(cat /usr/sbin/policy-rc.d 2>/dev/null || echo none)"
echo "calls: $(paste -sd, /etc/apt-calls)"`;
}

const COMMAND = ['unshare', '--mount', '--propagation', 'private', 'bash', '-c'] as const;
const ENVIRONMENT = { PATH: '/usr/local/bin:/usr/bin:/bin', HOME: '' };

function runOn(prepare: string, aptGet: string, run = `${checkout}/script/bootstrap demo`): string {
  const [program, ...args] = COMMAND;
  const ran = spawnSync(program, [...args, machine(prepare, aptGet, run)], {
    encoding: 'utf8',
    env: ENVIRONMENT,
    timeout: 60_000,
  });
  return ran.stdout + ran.stderr;
}

/** An apt-get that installs nmap and notes the policy under which it does. */
const INSTALL = `case "$*" in
  *install*nmap*)
    echo "policy during: $(tail -n 1 /usr/sbin/policy-rc.d)" >>/etc/during
    printf '#!/bin/sh\\n' | install -m 755 /dev/stdin /usr/bin/nmap
    ;;
esac`;
const HAVE_NMAP = "printf '#!/bin/sh\\n' | install -m 755 /dev/stdin /usr/bin/nmap";

test('a missing package is installed while no service may start, and the hold is taken away again', { skip }, () => {
  assert.equal(
    runOn('', INSTALL),
    [
      'bootstrap: installing from Debian: nmap',
      'bootstrap: done',
      'exit 0',
      'policy during: exit 101',
      'policy after: none',
      'calls: apt-get install -y -qq --no-install-recommends nmap',
      '',
    ].join('\n'),
  );
});

test('where nothing is to be done nothing is done or said', { skip }, () => {
  assert.equal(runOn(HAVE_NMAP, INSTALL), 'exit 0\npolicy after: none\ncalls: \n');
});

test('a policy of the machine’s own is neither replaced nor removed', { skip }, () => {
  const out = runOn("printf '#!/bin/sh\\nexit 0\\n' >/usr/sbin/policy-rc.d", INSTALL);
  assert.match(out, /policy during: exit 0\n/);
  assert.match(out, /policy after: #!\/bin\/sh\nexit 0\n/);
});

test('a hold left by a run that was killed is taken away', { skip }, () => {
  const mark = /^MARK='(.*)'$/m.exec(readFileSync(join(ROOT, 'script/bootstrap'), 'utf8'))?.[1] ?? '';
  assert.notEqual(mark, '');
  assert.match(
    runOn(`printf '#!/bin/sh\\n%s\\nexit 101\\n' '${mark}' >/usr/sbin/policy-rc.d`, INSTALL),
    /policy after: none\n/,
  );
});

test('lists that are out of date are fetched once; what cannot be had is named', { skip }, () => {
  const out = runOn('', `case "$*" in update*) ;; *) echo 'E: Unable to locate package' >&2; exit 100 ;; esac`);
  assert.match(out, /E: Unable to locate package\n/);
  assert.match(out, /bootstrap: error: apt could not install: nmap\n/);
  assert.match(out, /exit 1\n/);
  assert.match(out, /policy after: none\n/);
  assert.match(out, /calls: apt-get install \S+ \S+ \S+ nmap,apt-get update -qq,apt-get install \S+ \S+ \S+ nmap\n/);
});

test('a package that enables something is an error that names it', { skip }, () => {
  const wants = '/etc/systemd/system/multi-user.target.wants';
  const out = runOn('', `${INSTALL}\nmkdir -p ${wants}; ln -s /x ${wants}/planted.service`);
  assert.match(
    out,
    new RegExp(`error: installing enabled something that starts by itself: ${wants}/planted.service\n`),
  );
  assert.match(out, /exit 1\n/);
});

test('a package with a daemon is unpacked, not installed, and only once', { skip }, () => {
  const download = `case "$*" in
  *download*)
    mkdir -p /etc/deb/DEBIAN /etc/deb/usr/sbin
    cp /bin/true /etc/deb/usr/sbin/sshd
    printf 'Package: openssh-server\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' >/etc/deb/DEBIAN/control
    dpkg-deb -b /etc/deb "$PWD/openssh-server_1_all.deb" >/dev/null
    ;;
esac`;
  const twice = `${checkout}/script/bootstrap demo && ${checkout}/script/bootstrap demo`;
  const out = runOn(
    `${HAVE_NMAP}; rm /usr/sbin/sshd; dpkg-query() { echo installed; }; export -f dpkg-query`,
    download,
    twice,
  );
  assert.match(
    out,
    /^bootstrap: unpacking openssh-server under .tools\/ \(it is not installed\)\nbootstrap: done\nexit 0\n/,
  );
  assert.match(out, /calls: apt-get download -o APT::Sandbox::User=root openssh-server\n/);
  assert.equal(existsSync(join(checkout, '.tools/openssh-server/usr/sbin/sshd')), true);
});

test('without root the command that needs it is named', { skip }, () => {
  const asNobody = `setpriv --reuid=65534 --regid=65534 --clear-groups ${checkout}/script/bootstrap demo`;
  const out = runOn(`mkdir -m 777 ${checkout}/.tools`, INSTALL, asNobody);
  assert.match(out, /^bootstrap: error: this needs root: apt-get install --no-install-recommends nmap\n/);
  assert.match(out, /exit 1\n/);
  assert.match(out, /calls: \n/);
});

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  test(`interrupted by ${signal}, the hold is taken away again`, { skip }, async () => {
    const slow = `echo "policy during: $(tail -n 1 /usr/sbin/policy-rc.d)" >>/etc/during; : >${checkout}/started; sleep 1`;
    const run = `bash -c 'echo $$ >${checkout}/pid; exec ${checkout}/script/bootstrap demo' & wait $!`;
    const [program, ...args] = COMMAND;
    // With job control a child in the background does not start with SIGINT ignored.
    const child = spawn(program, [...args, `set -m\n${machine('', slow, run)}`], {
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    let out = '';
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
    const closed = once(child, 'close');
    for (let i = 0; i < 600 && !existsSync(join(checkout, 'started')); i++) await sleep(50);
    process.kill(Number(readFileSync(join(checkout, 'pid'), 'utf8')), signal);
    await closed;
    rmSync(join(checkout, 'started'));
    assert.match(out, new RegExp(`exit ${code}\npolicy during: exit 101\npolicy after: none\n`));
  });
}

test('a word that is not known is an error', () => {
  const ran = spawnSync(join(ROOT, 'script/bootstrap'), ['everything'], { encoding: 'utf8' });
  assert.equal(ran.status, 1);
  assert.equal(
    ran.stderr,
    'bootstrap: error: `everything` is not known here\nbootstrap: hint: script/bootstrap [demo|bench|test]\n',
  );
});
