/** A minimal Debian 12, unpacked once per machine under `.tools/` and never changed: tests lay their changes over it, in memory. */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { ROOT } from './copy.ts';

const SUITE = 'bookworm';
/** What the tests need of a host, beyond what every Debian has. There is no Node and no npm in it. */
const PACKAGES = ['iproute2', 'nftables', 'openssh-client', 'openssh-server'];

/** Where this machine's apt has the suite from; undefined if it is no Debian. */
function mirror(): string | undefined {
  const form = '$(CODENAME) $(COMPONENT) $(REPO_URI)';
  const ran = spawnSync('apt-get', ['indextargets', '--format', form, 'Created-By: Packages'], { encoding: 'utf8' });
  const lines = ran.status === 0 ? ran.stdout.split('\n').map((line) => line.split(' ')) : [];
  return lines.find(([codename, component]) => codename === SUITE && component === 'main')?.[2];
}

/** Why there can be no such root here; undefined if there can. */
export function debianRootMissing(): string | undefined {
  if (process.getuid?.() !== 0) return 'NEEDS ROOT: a Debian root directory, and namespaces';
  return mirror() === undefined ? `NEEDS DEBIAN: apt knows no mirror of ${SUITE}` : undefined;
}

/**
 * The directory; made by debootstrap if it is not there yet, which takes a minute and downloads from the mirror that apt uses. debootstrap
 * holds back services while it configures packages: nothing is started.
 */
export function debianRoot(): string {
  const recipe = createHash('sha256')
    .update([SUITE, ...PACKAGES].join(' '))
    .digest('hex')
    .slice(0, 12);
  const tools = join(ROOT, '.tools');
  const root = join(tools, `debian-${SUITE}-${recipe}`);
  if (existsSync(root)) return root;
  mkdirSync(tools, { recursive: true });
  for (const name of readdirSync(tools)) {
    if (name.startsWith('debian-')) rmSync(join(tools, name), { recursive: true, force: true });
  }
  const work = mkdtempSync(join(tools, 'debian-unfinished-'));
  const include = `--include=${PACKAGES.join(',')}`;
  // In namespaces of its own, so that whatever it mounts or leaves running ends with it.
  const isolated = ['--mount', '--pid', '--fork', '--kill-child', '--propagation', 'private', '--'];
  const command = ['debootstrap', '--variant=minbase', include, SUITE, work, mirror() ?? ''];
  try {
    execFileSync('unshare', [...isolated, ...command], { stdio: ['ignore', 'pipe', 'pipe'], timeout: 280_000 });
    for (const path of ['var/cache/apt', 'var/lib/apt/lists']) {
      rmSync(join(work, path), { recursive: true, force: true });
      mkdirSync(join(work, path), { recursive: true });
    }
    // Nothing may be resolved or fetched from inside; and who changes the root by hand finds services held back.
    rmSync(join(work, 'etc/resolv.conf'), { force: true });
    writeFileSync(join(work, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
    renameSync(work, root);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return root;
}
