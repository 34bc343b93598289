/** What npm would publish: built, packed, installed without a network in an empty folder, and used there. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { Copy, ROOT } from './copy.ts';

const copy = new Copy();
const folder = mkdtempSync(join(tmpdir(), 'postern-packages-'));
after(() => {
  copy[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** The gate is packed, but needs packages from npm to be installed. */
const PACKAGES = ['protocol', 'terminal', 'client', 'gate'];
const run = (program: string, args: readonly string[], cwd: string): string =>
  execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** Publishes to nobody: `npm pack` of what `npm run build` made. */
before(() => {
  run('npm', ['run', 'build'], copy.directory);
  for (const name of PACKAGES)
    run(
      'npm',
      ['pack', '--silent', '--pack-destination', folder, join(copy.directory, 'packages', name)],
      copy.directory,
    );
  writeFileSync(join(folder, 'package.json'), '{ "name": "somewhere-else", "type": "module", "private": true }\n');
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  assert.equal(tarballs.length, PACKAGES.length);
  run(
    'npm',
    [
      'install',
      '--offline',
      '--ignore-scripts',
      '--no-audit',
      '--no-fund',
      ...tarballs.filter((name) => !name.startsWith('posternd-')).map((name) => `./${name}`),
    ],
    folder,
  );
});

test('a tarball holds the built code with its declarations, and no source, test or test data', () => {
  for (const name of readdirSync(folder).filter((entry) => entry.endsWith('.tgz'))) {
    const files = run('tar', ['-tzf', name], folder).trim().split('\n');
    const entry = name.startsWith('posternd-') ? 'main' : 'index';
    for (const kind of ['js', 'd.ts']) assert.ok(files.includes(`package/dist/${entry}.${kind}`), name);
    assert.deepEqual(
      files.filter(
        (file) =>
          !/^package\/(dist\/.*(?<!\.test|\.fixture|\.bench)\.(js|d\.ts)|dist\/config\/\w+\.schema\.json|package\.json|README\.md|LICENSE)$/.test(
            file,
          ),
      ),
      [],
      name,
    );
    assert.deepEqual(
      files.filter((file) => /testdata|testing/.test(file)),
      [],
      name,
    );
  }
});

test('the library is imported by its name and works', () => {
  const program = `import { formatAddress, parseAddress, SHORT_PACKET } from '@postern/protocol';
    import { FWKNOP_DIGESTS } from '@postern/protocol/fwknop';
    console.log(formatAddress(parseAddress('192.0.2.7')), SHORT_PACKET, FWKNOP_DIGESTS.length);`;
  assert.equal(run(process.execPath, ['--input-type=module', '-e', program], folder), '192.0.2.7 352 7\n');
});

test('the command runs under its name', () => {
  const command = join(folder, 'node_modules/.bin/postern');
  assert.match(run(command, ['--version'], folder), /^postern \d+\.\d+\.\d+\n$/);
  const wrong = spawnSync(command, ['nock'], { cwd: folder, encoding: 'utf8' });
  assert.equal(wrong.status, 2);
  assert.match(wrong.stderr, /did you mean `(postern )?knock`\?/);
});

test('a program in TypeScript finds the types of the library', () => {
  writeFileSync(
    join(folder, 'program.ts'),
    "import { decodeInvite } from '@postern/protocol';\nexport const wrong: number = decodeInvite('x');\n" +
      "export { type FwknopMessage, sealFwknop } from '@postern/protocol/fwknop';\n",
  );
  const options = [
    '--ignoreConfig',
    '--noEmit',
    '--strict',
    '--typeRoots',
    join(ROOT, 'node_modules/@types'),
    '--types',
    'node',
    '--module',
    'nodenext',
    '--target',
    'es2024',
    'program.ts',
  ];
  const checked = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), ...options], {
    cwd: folder,
    encoding: 'utf8',
  });
  assert.match(
    checked.stdout,
    /^program\.ts\(2,14\): error TS2322: Type 'Result<.*' is not assignable to type 'number'/,
  );
  assert.equal(checked.stdout.match(/error TS/g)?.length, 1, checked.stdout);
});
