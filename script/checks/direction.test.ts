/** Proves that the rules of .dependency-cruiser.cjs see this repository and catch a planted import of each forbidden kind. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { after, test } from 'node:test';
import { Copy, ROOT } from './copy.ts';

const CRUISE = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruiser.mjs');

interface Violation {
  readonly from: string;
  readonly to: string;
  readonly rule: { readonly name: string };
}
interface Cruise {
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly unknown[] }[];
  readonly summary: { readonly violations: readonly Violation[] };
}

function cruise(directory: string): Cruise {
  const ran = spawnSync(process.execPath, [CRUISE, 'packages', '--output-type', 'json'], {
    cwd: directory,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  assert.notEqual(ran.stdout, '', ran.stderr);
  return JSON.parse(ran.stdout) as Cruise;
}

/** One forbidden import: the rule that must catch it, the file that it is planted in, and what is imported there. */
const PLANTS: readonly (readonly [rule: string, file: string, imported: string])[] = [
  ['protocol-is-pure', 'protocol/src/planted-a.ts', 'node:fs'],
  ['protocol-is-pure', 'protocol/src/planted-b.ts', 'node:crypto'],
  ['protocol-is-pure', 'protocol/src/planted-c.ts', '@postern/terminal'],
  ['protocol-is-pure', 'protocol/src/planted-d.ts', 'valibot'],
  ['one-file-knows-crypto', 'protocol/src/crypto.ts', 'node:dgram'],
  ['fwknop-knows-nothing-native', 'protocol/src/fwknop/planted.ts', '../statement.ts'],
  ['native-knows-nothing-of-fwknop', 'protocol/src/planted-e.ts', './fwknop/message.ts'],
  ['terminal-stands-alone', 'terminal/src/planted.ts', '@postern/protocol'],
  ['client-has-no-npm', 'client/src/planted-a.ts', 'smol-toml'],
  ['client-has-no-npm', 'client/src/planted-b.ts', '../../gate/src/line/frame.ts'],
  ['client-reaches-no-npm', 'client/src/index.ts', 'valibot'],
  ['line-is-a-leaf', 'gate/src/line/planted.ts', '../system/libc.ts'],
  ['system-is-low', 'gate/src/system/planted.ts', '../firewall/port.ts'],
  ['firewall-port-is-types', 'gate/src/firewall/port.ts', '../system/libc.ts'],
  ['firewall-below-monitor', 'gate/src/firewall/planted.ts', '../monitor/grants.ts'],
  ['backends-do-not-know-each-other', 'gate/src/firewall/memory.ts', './nftables.ts'],
  ['config-is-data', 'gate/src/config/planted.ts', '../monitor/grants.ts'],
  ['sentry-shares-little', 'gate/src/sentry/planted-a.ts', '../monitor/grants.ts'],
  ['sentry-shares-little', 'gate/src/sentry/planted-b.ts', '../firewall/port.ts'],
  ['sentry-shares-little', 'gate/src/sentry/planted-c.ts', '../config/model.ts'],
  ['sentry-shares-little', 'gate/src/sentry/planted-d.ts', 'koffi'],
  ['sentry-reaches-no-decision', 'gate/src/system/libc.ts', 'node:net'],
  ['sentry-npm', 'gate/src/system/seccomp.ts', 'valibot'],
  ['runner-is-small', 'gate/src/runner/planted.ts', '../config/model.ts'],
  ['gpg-is-small', 'gate/src/gpg/planted-a.ts', '../config/model.ts'],
  ['gpg-is-small', 'gate/src/gpg/planted-b.ts', '../system/libc.ts'],
  ['gpg-is-small', 'gate/src/gpg/planted-c.ts', '../monitor/grants.ts'],
  ['monitor-not-sentry', 'gate/src/monitor/planted.ts', '../sentry/seen.ts'],
  ['monitor-npm', 'gate/src/monitor/main.ts', 'fast-check'],
  ['replay-joins-both', 'gate/src/replay/planted-a.ts', '../system/libc.ts'],
  ['replay-is-on-top', 'gate/src/monitor/planted-b.ts', '../replay/spa.ts'],
  ['replay-is-on-top', 'gate/src/sentry/planted-e.ts', '../replay/spa.ts'],
  ['replay-is-on-top', 'gate/src/run.ts', './replay/main.ts'],
  ['replay-opens-nothing', 'gate/src/replay/tally.ts', '../firewall/nftables.ts'],
  ['admin-asks-the-socket', 'gate/src/admin/planted.ts', '../firewall/nftables.ts'],
  ['one-database-owner', 'gate/src/admin/planted-b.ts', 'node:sqlite'],
  ['no-tests-in-product', 'gate/src/config/planted-b.ts', '@postern/testkit'],
  ['no-tests-in-product', 'gate/src/config/planted-c.ts', './load.test.ts'],
  ['no-tests-in-product', 'client/src/planted-d.ts', '@noble/hashes/sha2.js'],
  ['no-cycles', 'protocol/src/bytes.ts', './freshness.ts'],
  ['no-unresolvable', 'client/src/planted-e.ts', './nowhere.ts'],
];

const copy = new Copy();
after(() => copy[Symbol.dispose]());

test('the rules pass on this repository, and they saw its modules and where these lead', () => {
  const { modules, summary } = cruise(copy.directory);
  assert.deepEqual(
    summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} -> ${to}`),
    [],
  );
  const sources = execFileSync('find', [join(copy.directory, 'packages'), '-name', '*.ts'], { encoding: 'utf8' })
    .trim()
    .split('\n');
  const seen = new Set(modules.map(({ source }) => source));
  assert.deepEqual(
    sources.map((path) => path.slice(copy.directory.length + 1)).filter((path) => !seen.has(path)),
    [],
    'not seen',
  );
  const monitor = modules.find(({ source }) => source === 'packages/gate/src/monitor/main.ts');
  assert.ok((monitor?.dependencies.length ?? 0) > 5, 'the imports of the monitor were read');
});

test('every planted import is caught by the rule that forbids it', () => {
  const append = (file: string, imported: string): void => {
    const path = join(copy.directory, 'packages', file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `import * as planted from '${imported}';\nexport const use: unknown = planted;\n`, {
      flag: 'a',
    });
  };
  for (const [, file, imported] of PLANTS) append(file, imported);
  const { violations } = cruise(copy.directory).summary;
  const caught = (rule: string, file: string): boolean =>
    violations.some((violation) => violation.rule.name === rule && violation.from === `packages/${file}`);
  // A rule about what can be reached reports the process that it starts from.
  const start: Readonly<Record<string, string>> = {
    'sentry-reaches-no-decision': 'gate/src/sentry/main.ts',
    'sentry-npm': 'gate/src/sentry/main.ts',
    'replay-opens-nothing': 'gate/src/replay/main.ts',
  };
  assert.deepEqual(
    PLANTS.filter(([rule, file]) => !caught(rule, start[rule] ?? file)).map(
      ([rule, file, imported]) => `${rule}: ${file} <- ${imported}`,
    ),
    [],
    'not caught',
  );
  const rules = new Set(PLANTS.map(([rule]) => rule));
  const forbidden = execFileSync(
    process.execPath,
    ['-p', "require('./.dependency-cruiser.cjs').forbidden.map((rule) => rule.name).join()"],
    { cwd: ROOT, encoding: 'utf8' },
  );
  assert.deepEqual(
    forbidden
      .trim()
      .split(',')
      .filter((name) => !rules.has(name)),
    [],
    'rules without a plant',
  );
});
