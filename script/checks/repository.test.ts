/** What holds for the repository as a whole: links lead somewhere, commands that the pages name exist, lockfiles name no registry. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { ROOT } from './copy.ts';

const FILES = globSync('**/*', {
  cwd: ROOT,
  exclude: (path) => /(^|\/)(node_modules|\.git|\.tools|dist)$/.test(path),
})
  .concat(globSync(['.ci/*', '.*.json', '.*.cjs', '.npmrc', 'tools/node/.npmrc'], { cwd: ROOT }))
  .filter((path) => statSync(join(ROOT, path)).isFile());
const PAGES = FILES.filter((path) => path.endsWith('.md'));
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** The name under which a heading can be linked. */
function anchor(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\- ]/gu, '')
    .replaceAll(' ', '-');
}

function anchors(page: string): Set<string> {
  const prose = read(page).replaceAll(/^```[\s\S]*?^```/gm, '');
  return new Set([...prose.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading ?? '')));
}

test('there are files and pages to look at', () => {
  assert.ok(FILES.length > 150, String(FILES.length));
  for (const page of ['README.md', 'docs/architecture.md']) assert.ok(PAGES.includes(page), page);
});

test('every link in a page leads to a file and a heading that exist', () => {
  const broken = PAGES.flatMap((page) =>
    [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link ?? '')
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [path = '', fragment] = link.split('#');
        const target = path === '' ? page : relative(ROOT, join(ROOT, dirname(page), path));
        if (!existsSync(join(ROOT, target))) return true;
        return fragment !== undefined && !anchors(target).has(fragment);
      })
      .map((link) => `${page}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

/** What stands in a page as code. */
function code(page: string): string {
  const text = read(page);
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].map(([, block]) => block ?? '');
  const spans = [...text.replaceAll(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`]+)`/g)].map(([, span]) => span ?? '');
  return [...blocks, ...spans].join('\n');
}

test('every command of this repository that a page names exists', () => {
  const tests = FILES.filter((path) => path.endsWith('.test.ts'));
  const bench = ['--conditions=source', join(ROOT, 'packages/testkit/src/bench/main.ts')];
  const listed = spawnSync(process.execPath, bench, { encoding: 'utf8' });
  const usage = [...listed.stderr.matchAll(/^usage: script\/bench (.*)$/gm)].flatMap(([, words = '']) =>
    words.split(' '),
  );
  const names = new Set([...usage, ...[...listed.stderr.matchAll(/^ {2}([a-z-]+) /gm)].map(([, name]) => name)]);
  const missing = PAGES.flatMap((page) =>
    [...code(page).matchAll(/(?<![/\w])(script|bin)\/([a-z-]+(?:\.sh)?)(?: ([^\s#`]+))?/g)]
      .filter(([, folder = '', name = '', word]) => {
        if (!existsSync(join(ROOT, folder, name))) return true;
        if (word === undefined || !/^[a-z]/.test(word)) return false;
        if (name === 'test') return !tests.some((path) => path.includes(word));
        return name === 'bench' && !names.has(word);
      })
      .map(([command]) => `${page}: ${command}`),
  );
  assert.deepEqual(missing, []);
});

test('every decision is in the list of decisions', () => {
  const list = read('docs/decisions/README.md');
  const decisions = FILES.filter((path) => /^docs\/decisions\/\d{4}-.*\.md$/.test(path)).map((path) =>
    path.slice('docs/decisions/'.length),
  );
  assert.ok(decisions.length > 0);
  assert.deepEqual(
    decisions.filter((name) => !list.includes(`(${name})`)),
    [],
  );
});

test('lockfiles name no registry and pin everything by hash; the versions asked for are exact', () => {
  for (const lock of ['package-lock.json', 'tools/node/package-lock.json']) {
    const { packages } = JSON.parse(read(lock)) as {
      packages: Record<string, { integrity?: string; link?: boolean; resolved?: string }>;
    };
    for (const [path, entry] of Object.entries(packages)) {
      if (!path.includes('node_modules/') || entry.link === true) continue;
      assert.equal(entry.resolved, undefined, `${lock}: ${path}`);
      assert.match(entry.integrity ?? '', /^sha512-/, `${lock}: ${path}`);
    }
  }
  for (const manifest of FILES.filter((path) => path.endsWith('package.json'))) {
    const parsed = JSON.parse(read(manifest)) as Record<string, Record<string, string> | undefined>;
    for (const kind of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      for (const [name, version] of Object.entries(parsed[kind] ?? {}))
        assert.match(version, /^(npm:\w+@)?\d+\.\d+\.\d+$/, `${manifest}: ${name}`);
    }
  }
});

test('nothing names a path of the machine that it was written on, or a registry', () => {
  const words = new RegExp(
    ['/wor' + 'k/(main|shared|in)', '/far' + 'm/', 'registry\\.npm' + 'js', 'deb\\.debi' + 'an\\.org'].join('|'),
  );
  const text = FILES.filter((path) => !/\.(png|pcap)$/.test(path));
  assert.deepEqual(
    text.filter((path) => words.test(read(path))),
    [],
  );
});

test('no test runs alone and none is left to be done', () => {
  const marks = new RegExp('\\b(test|it|describe|suite)\\.(on' + 'ly|to' + 'do)\\(');
  assert.deepEqual(
    FILES.filter((path) => path.endsWith('.test.ts') && marks.test(read(path))),
    [],
  );
});

test('all packages have one version, and the changelog knows it', () => {
  const version = (path: string): string => (JSON.parse(read(path)) as { version: string }).version;
  const own = version('package.json');
  for (const manifest of FILES.filter((path) => /^packages\/[^/]+\/package\.json$/.test(path)))
    assert.equal(version(manifest), own, manifest);
  assert.match(read('CHANGELOG.md'), new RegExp(`^## ${own.replaceAll('.', '\\.')}`, 'm'));
});
