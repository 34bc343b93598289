/** A checkout that the sentry's user cannot read is shown to it, for the time of one command, in a mount namespace. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';

const ROOT = resolve(import.meta.dirname, '../..');
const skip = process.getuid?.() === 0 || process.env['CI'] === 'true' ? false : 'NEEDS ROOT: a mount namespace';

/** What the sentry's user sees of the checkout from which the command runs, and which arguments the command was given. */
const PROBE = `#!/usr/bin/env bash
set -euo pipefail
source "$(dirname "\${BASH_SOURCE[0]}")/lib.sh"
readable_checkout "\${BASH_SOURCE[0]}" "$@"
as_sentry() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
as_sentry cat "$ROOT/package.json"
as_sentry "$PINNED_NODE/node"
printf '<%s>' "$@"
exit 7
`;

function probe(options: { parent: number; own: number; files: number }): {
  code: number | null;
  out: string;
  err: string;
} {
  const parent = mkdtempSync(join(tmpdir(), 'postern-checkout-'));
  try {
    const root = join(parent, 'checkout');
    mkdirSync(join(root, 'script'), { recursive: true });
    cpSync(join(ROOT, 'script/lib.sh'), join(root, 'script/lib.sh'));
    writeFileSync(join(root, 'script/probe'), PROBE);
    chmodSync(join(root, 'script/probe'), options.files | 0o100);
    writeFileSync(join(root, 'package.json'), '{}\n');
    chmodSync(join(root, 'package.json'), options.files);
    for (const architecture of ['x64', 'arm64']) {
      const bin = join(root, `tools/node/node_modules/node-linux-${architecture}/bin`);
      mkdirSync(bin, { recursive: true });
      writeFileSync(join(bin, 'node'), '#!/bin/sh\necho node\n', { mode: 0o755 });
    }
    chmodSync(root, options.own);
    chmodSync(parent, options.parent);
    const ran = spawnSync(join(root, 'script/probe'), ['a word', '', '*'], { encoding: 'utf8', cwd: '/' });
    return { code: ran.status, out: ran.stdout, err: ran.stderr };
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

const CASES = [
  { name: 'a checkout that everybody may read', parent: 0o755, own: 0o755, files: 0o644, view: false },
  { name: 'a checkout below a directory of mode 0700', parent: 0o700, own: 0o755, files: 0o644, view: true },
  { name: 'a checkout that is itself of mode 0700', parent: 0o755, own: 0o700, files: 0o644, view: true },
  { name: 'a checkout whose files only the owner may read', parent: 0o700, own: 0o700, files: 0o600, view: true },
];

for (const { name, view, ...modes } of CASES) {
  test(`${name}: the sentry’s user reads it, arguments and exit code pass through`, { skip }, () => {
    const mounted = readdirSync('/mnt');
    const { code, out, err } = probe(modes);
    assert.equal(code, 7, err);
    assert.equal(out.endsWith('{}\nnode\n<a word><><*>'), true, out);
    assert.equal(/\/(mnt|media) shows it/.test(err), view, out);
    assert.deepEqual(readdirSync('/mnt'), mounted, 'nothing is left in /mnt');
  });
}
