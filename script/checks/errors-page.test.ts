/**
 * `docs/reference/errors.md` lists the errors that both programs print, taken from the source; `POSTERN_WRITE_DOCS=1` writes it. What is
 * put together at run time stands as `…`.
 */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { test } from 'node:test';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = join(ROOT, 'docs/reference/errors.md');
/** The classes whose messages people read. */
const ERRORS: ReadonlySet<string> = new Set(['PersonError', 'NotRunning', 'NoAnswer']);
const TEST_CODE = /\.(test|bench|fixture)\.ts$|\/(testing|testdata)\/|\/testing\.ts$/;

interface Found {
  readonly message: string;
  readonly hint: string | undefined;
  readonly code: string | undefined;
}

/** The text of an expression, with `…` for what only a run knows; undefined where that is all of it. */
function textOf(node: ts.Expression | undefined, depth = 0): string | undefined {
  if (node === undefined || depth > 4) return undefined;
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map(({ literal }) => `…${literal.text}`).join('');
  }
  if (ts.isConditionalExpression(node)) {
    const both = [textOf(node.whenTrue, depth + 1), textOf(node.whenFalse, depth + 1)].filter((it) => it !== undefined);
    return both.length === 0 ? undefined : both.join(' | ');
  }
  if (ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken) {
    return `${textOf(node.left, depth + 1) ?? '…'}${textOf(node.right, depth + 1) ?? '…'}`;
  }
  return undefined;
}

function errorsIn(path: string): Found[] {
  const source = ts.createSourceFile(path, readFileSync(path, 'utf8'), ts.ScriptTarget.Latest, true);
  const found: Found[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isNewExpression(node) && ERRORS.has(node.expression.getText())) {
      const [first, options] = node.arguments ?? [];
      const message = textOf(first);
      const property = (name: string): ts.Expression | undefined => {
        if (options === undefined || !ts.isObjectLiteralExpression(options)) return undefined;
        const at = options.properties.find((it) => ts.isPropertyAssignment(it) && it.name.getText() === name);
        return at !== undefined && ts.isPropertyAssignment(at) ? at.initializer : undefined;
      };
      if (message !== undefined && /[a-z]{3}/.test(message)) {
        const code = /^EXIT\.(\w+)$/.exec(property('exitCode')?.getText() ?? '')?.[1];
        found.push({ message, hint: textOf(property('hint')), code });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function section(title: string, folders: readonly string[]): string[] {
  const files = folders.flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .map((name) => join(ROOT, folder, name))
      .filter((path) => path.endsWith('.ts') && !TEST_CODE.test(relative(ROOT, path))),
  );
  const rows = new Map<string, Found>();
  for (const found of files.sort().flatMap(errorsIn)) rows.set(`${found.message} ${found.hint ?? ''}`, found);
  const sorted = [...rows.values()].sort((a, b) => (a.message < b.message ? -1 : 1));
  const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;');
  return [
    `## ${title}`,
    '',
    ...sorted.flatMap(({ message, hint, code }) => [
      `- **${cell(message)}**${code === undefined ? '' : ` (${CODES[code] ?? code})`}${hint === undefined ? '' : `<br>${cell(hint)}`}`,
    ]),
    '',
  ];
}

const CODES: Readonly<Record<string, string>> = {
  failed: 'exit 1',
  usage: 'exit 2',
  silent: 'exit 3',
  notPermitted: 'exit 4',
  configuration: 'exit 5',
};

function page(): string {
  return [
    '# Errors',
    '',
    'Every error of `postern` and `posternd` is one line, `NAME: error: …`, and most have a second one, `NAME: hint: …`, that says what to do. With `--json` they are',
    'an object, `{"error":{"message":…,"hint":…,"exitCode":…}}`, on standard output. Below, `…` stands for what differs from time to time.',
    '',
    '| exit code | means |',
    '| --- | --- |',
    '| 0 | done |',
    '| 1 | not done: the message says why |',
    '| 2 | the command line was not understood; nothing was done |',
    '| 3 | `postern`: no answer. A gate answers nobody whom it does not know, so this can have many reasons; the message lists them |',
    '| 4 | `postern`: the gate answered, and does not permit it |',
    '| 5 | a file or the configuration is missing, damaged, wrong, or open to others |',
    '| 6 | `posternd check` and `doctor`: warnings, and no error |',
    '| 7 | `posternd doctor`: advice, and nothing worse |',
    '',
    'An `internal error` is a bug of ours: `POSTERN_DEBUG=1` shows where. What `posternd check` and `doctor` find is in [findings](findings.md).',
    '',
    ...section('postern', ['packages/client/src']),
    ...section('posternd', ['packages/gate/src']),
    ...section('Both', ['packages/terminal/src']),
  ].join('\n');
}

test('the page of errors lists what the programs print', async () => {
  const made = await format(page(), { ...(await resolveConfig(PAGE)), parser: 'markdown' });
  assert.ok(made.split('\n- **').length > 100, 'errors were found');
  if (process.env['POSTERN_WRITE_DOCS'] === '1') writeFileSync(PAGE, made);
  assert.equal(readFileSync(PAGE, 'utf8'), made, 'POSTERN_WRITE_DOCS=1 with this test writes it');
});
