/**
 * The client as it starts fastest (docs/decisions/0007-client-start.md): one script, and beside it what V8 compiled of it.
 * `main.js` is a few lines that hand both to V8; where that compiled code is not for this Node, V8 compiles anew and nothing else changes.
 * `make-snapshot.js` makes what a knock starts from, faster still, on the machine where all this is installed.
 */
import { build, type Plugin } from 'esbuild';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { type Entry, ROOT, template } from './entry.ts';
import { SNAPSHOT_FLAGS } from './snapshot-flags.ts';

/** Wrapped, so that its variables are its own. The compiled code is for exactly this text. */
const LOAD = `const { readFileSync } = require('node:fs');
const { Script } = require('node:vm');
const filename = 'client.js';
const source = '(function (require, module) {' + readFileSync(__dirname + '/client.js', 'latin1') + '\\n})';`;

const MAIN = `'use strict';
${LOAD}
let cachedData;
try {
  cachedData = readFileSync(__dirname + '/client.cache');
} catch {}
new Script(source, { filename, cachedData }).runInThisContext()(require, module);
module.exports.start();
`;

/** All functions are compiled, as nobody knows which will be asked for; V8 compares its flags with those of later, so they are put back. */
const COMPILE = `${LOAD}
const v8 = require('node:v8');
v8.setFlagsFromString('--no-lazy');
const script = new Script(source, { filename });
v8.setFlagsFromString('--lazy');
require('node:fs').writeFileSync(__dirname + '/client.cache', script.createCachedData());
`;

/** `process` is there without being loaded; esbuild would copy it for every file that imports it. */
const globalProcess: Plugin = {
  name: 'global-process',
  setup: (builder) => {
    builder.onResolve({ filter: /^node:process$/ }, () => ({ path: 'process', namespace: 'global' }));
    builder.onLoad({ filter: /./, namespace: 'global' }, () => ({ contents: 'module.exports = process' }));
  },
};

/** What V8 compiles of `client`, by the Node that is to run it; the same text gives the same bytes. */
function compile(client: Uint8Array): Uint8Array {
  const directory = mkdtempSync(join(tmpdir(), 'postern-compile-'));
  try {
    writeFileSync(join(directory, 'client.js'), client);
    writeFileSync(join(directory, 'compile.cjs'), COMPILE);
    // Predictable: without it the order of names in memory, and so the bytes, is by chance.
    execFileSync(process.execPath, ['--predictable', join(directory, 'compile.cjs')]);
    return readFileSync(join(directory, 'client.cache'));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** A program and all that it imports as one script. */
async function oneScript(path: string): Promise<Uint8Array> {
  const { outputFiles } = await build({
    absWorkingDir: ROOT,
    entryPoints: [path],
    write: false,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    conditions: ['source'],
    supported: { 'dynamic-import': false },
    plugins: [globalProcess],
    // One character beyond Latin-1, and V8 keeps the whole text in twice the size.
    charset: 'ascii',
    logLevel: 'error',
  });
  return outputFiles[0]?.contents ?? new Uint8Array();
}

/** The files of the client below `below`; `main.js` is the one to run. */
export async function fastClient(below: string, version: string): Promise<Entry[]> {
  const sources = ['packages/client/src/run.ts', 'script/packaging/rehearse.ts', 'script/packaging/make-snapshot.ts'];
  const [client = new Uint8Array(), rehearse = '', makeSnapshot = ''] = await Promise.all(sources.map(oneScript));
  const manifest = { name: 'postern', version, type: 'commonjs' };
  return [
    { path: join(below, 'main.js'), content: MAIN },
    { path: join(below, 'client.js'), content: client },
    { path: join(below, 'client.cache'), content: compile(client) },
    { path: join(below, 'rehearse.js'), content: rehearse },
    { path: join(below, 'make-snapshot.js'), content: makeSnapshot },
    { path: join(below, 'package.json'), content: `${JSON.stringify(manifest)}\n` },
  ];
}

/** The launcher of a client that is installed in `lib`. */
export function launcher(lib: string): string {
  return template('postern.sh', { LIB: lib, FLAGS: SNAPSHOT_FLAGS.join(' ') });
}
