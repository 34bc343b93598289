import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { format } from 'prettier';
import { replaceSection } from '@postern/terminal';
import { FINDINGS, type FindingKind } from './finding-table.ts';

const FILE = join(import.meta.dirname, '../../../../docs/reference/findings.md');

function table(kinds: readonly (readonly [string, FindingKind])[]): string {
  const rows = kinds.map(([code, { severities, means }]) => `| \`${code}\` | ${severities.join(', ')} | ${means} |`);
  return ['| code | severity | meaning |', '| --- | --- | --- |', ...rows].join('\n');
}

test('docs/reference/findings.md is made from the table of findings (POSTERN_WRITE_DOCS=1 makes it anew)', async () => {
  const committed = readFileSync(FILE, 'utf8');
  const all = Object.entries(FINDINGS);
  const made = [
    ['check', all.filter(([, { doctor }]) => doctor !== true)] as const,
    ['doctor', all.filter(([, { doctor }]) => doctor === true)] as const,
  ].reduce((page, [name, kinds]) => replaceSection(page, name, table(kinds)), committed);
  const pretty = await format(made, { parser: 'markdown', printWidth: 120 });
  if (process.env['POSTERN_WRITE_DOCS'] === '1') writeFileSync(FILE, pretty);
  else assert.equal(committed, pretty, 'run this test with POSTERN_WRITE_DOCS=1 and commit the result');
});

test('what a finding means is a sentence without its full stop', () => {
  for (const [code, { means, severities }] of Object.entries(FINDINGS)) {
    assert.match(means, /^\S.*[^.]$/, code);
    assert.ok(severities.length > 0, code);
  }
});
