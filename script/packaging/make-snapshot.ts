/**
 * `make-snapshot.js`, run where the client was installed by the Node that was installed with it: makes `../snapshot`, from which the launcher
 * starts a knock (docs/decisions/0007-client-start.md). Where that is not possible all works as before, a third of a knock slower.
 */
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { SNAPSHOT_FLAGS } from './snapshot-flags.ts';
import { withoutCodeCache } from './snapshot-layout.ts';

const TIMEOUT_MS = 60_000;
const client = dirname(process.argv[1] ?? '');
const target = join(client, '../snapshot');
const node = process.execPath;

/** Nothing of the environment of who installs comes along. */
function run(...words: readonly string[]): string {
  const stdio = ['ignore', 'pipe', 'pipe'] as const;
  return execFileSync(node, words, { env: {}, cwd: '/', encoding: 'utf8', stdio: [...stdio], timeout: TIMEOUT_MS });
}

function make(): void {
  const blob = join(target, 'client.blob');
  const fresh = `${blob}.new`;
  const keys = mkdtempSync(join(tmpdir(), 'postern-rehearsal-'));
  try {
    run('--snapshot-blob', fresh, '--build-snapshot', join(client, 'rehearse.js'), keys);
  } finally {
    rmSync(keys, { recursive: true });
  }
  writeFileSync(fresh, withoutCodeCache(readFileSync(fresh)));
  chmodSync(fresh, 0o644);
  const main = [join(client, 'main.js'), '--version'];
  if (run(...SNAPSHOT_FLAGS, '--snapshot-blob', fresh, ...main) !== run(...main)) throw new Error('it does not start');
  // The launcher takes it only while it is newer than Node, and Node is still this very file.
  const time = new Date(Math.max(Date.now(), statSync(node).mtimeMs + 1000));
  utimesSync(fresh, time, time);
  linkSync(node, join(target, 'node'));
  renameSync(fresh, blob);
}

rmSync(target, { recursive: true, force: true });
try {
  mkdirSync(target);
  chmodSync(target, 0o755);
  make();
} catch (error) {
  rmSync(target, { recursive: true, force: true });
  const [first = ''] = (error instanceof Error ? error.message : String(error)).split('\n');
  process.stderr.write(`postern: note: there is no snapshot to start from, so a knock takes longer: ${first}\n`);
  process.exitCode = 1;
}
