import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { programReference, replaceSection } from '@postern/terminal';
import { program } from './program.ts';

const PAGE = join(import.meta.dirname, '../../../docs/reference/postern.md');

test('docs/reference/postern.md says what --help says (POSTERN_WRITE_DOCS=1 writes it)', () => {
  const page = readFileSync(PAGE, 'utf8');
  const right = replaceSection(page, 'postern', programReference(program));
  if (process.env['POSTERN_WRITE_DOCS'] === '1') writeFileSync(PAGE, right);
  else assert.equal(page, right);
});

test('the version is that of the package', () => {
  const text = readFileSync(join(import.meta.dirname, '../package.json'), 'utf8');
  assert.equal(program.version, (JSON.parse(text) as { version: string }).version);
});
