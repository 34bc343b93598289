/** The programs as JavaScript: bundled, so that nothing is in the package that they do not import. */
import { build, type Metafile } from 'esbuild';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import process from 'node:process';
import { type Entry, ROOT } from './entry.ts';
import { fastClient } from './fast-client.ts';

/** What can never be in a package. */
const TEST_CODE = /\.(test|bench|fixture)\.ts$|\/testing(\.ts$|\/)|\/testdata\/|packages\/testkit\/|filter-interpreter/;

interface Bundle {
  readonly entries: readonly Entry[];
  readonly metafile: Metafile;
}

/**
 * One program. With `splitting`, what a command imports when it runs stays in files of its own, so that the others start without it; the
 * sentry has all in one, as it can load nothing later.
 * @throws Error when a program imports what is for tests only
 */
async function bundle(source: string, below: string, splitting: boolean): Promise<Bundle> {
  const { outputFiles, metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: { main: source },
    outdir: 'nowhere',
    write: false,
    bundle: true,
    // What a command imports when it runs stays in files of its own, so that the others start without it.
    splitting,
    platform: 'node',
    format: 'esm',
    target: 'esnext',
    conditions: ['source'],
    // It loads a library for this architecture.
    external: ['koffi'],
    charset: 'utf8',
    metafile: true,
    logLevel: 'error',
  });
  const wrong = Object.keys(metafile.inputs).filter((path) => TEST_CODE.test(path));
  if (wrong.length > 0) throw new Error(`a program imports test code: ${wrong.join(', ')}`);
  const entries = outputFiles.map(({ path, contents }) => ({
    path: join(below, relative(join(ROOT, 'nowhere'), path)),
    content: contents,
  }));
  return { entries, metafile };
}

function licenceOf(name: string): Uint8Array {
  const directory = join(ROOT, 'node_modules', name);
  const file = readdirSync(directory).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry));
  if (file === undefined) throw new Error(`${name} has no licence`);
  return readFileSync(join(directory, file));
}

/** Licences of the packages from npm that a bundle holds. */
function licences(metafile: Metafile, below: string): Entry[] {
  const names = Object.keys(metafile.inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  const known = names.filter((name) => name !== undefined);
  return [...new Set(known)].map((name) => ({ path: join(below, name), content: licenceOf(name) }));
}

/** The files of koffi that Node reads, with the library for this architecture. */
async function koffi(below: string): Promise<Entry[]> {
  const native = `node_modules/@koromix/koffi-linux-${process.arch}`;
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['koffi'],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    metafile: true,
  });
  const files = [
    ...Object.keys(metafile.inputs),
    ...['package.json', 'LICENSE.txt'].map((file) => `node_modules/koffi/${file}`),
    ...['package.json', 'index.js', `linux_${process.arch}/koffi.node`].map((file) => `${native}/${file}`),
  ];
  return files.map((file) => ({ path: join(below, file), content: readFileSync(join(ROOT, file)) }));
}

/** Says to Node that the files beside it are modules, and to the program which version it is. */
function manifest(below: string, name: string, version: string): Entry {
  return { path: join(below, 'package.json'), content: `${JSON.stringify({ name, version, type: 'module' })}\n` };
}

/** Node itself as its package has it, bit for bit, with its licence. */
export function nodeFiles(): Entry[] {
  const directory = join(ROOT, `tools/node/node_modules/node-linux-${process.arch}`);
  if (!existsSync(directory)) throw new Error(`there is no ${directory}`);
  return [
    { path: 'lib/postern/node', content: readFileSync(join(directory, 'bin/node')), executable: true },
    { path: 'lib/postern/LICENSE.node', content: readFileSync(join(directory, 'LICENSE')) },
  ];
}

/** The client. */
export function clientProgram(version: string): Promise<Entry[]> {
  return fastClient('lib/postern/client', version);
}

/** The gate: the monitor finds the sentry, the runner of commands and the GPG helper in the directories beside its own, as it does in the source. */
export async function gateProgram(version: string): Promise<Entry[]> {
  const below = 'lib/postern/gate';
  const [monitor, sentry, runner, gpg] = await Promise.all([
    bundle('packages/gate/src/main.ts', join(below, 'posternd'), true),
    bundle('packages/gate/src/sentry/main.ts', join(below, 'sentry'), false),
    bundle('packages/gate/src/runner/main.ts', join(below, 'runner'), false),
    bundle('packages/gate/src/gpg/main.ts', join(below, 'gpg'), false),
  ]);
  return [
    ...monitor.entries,
    ...sentry.entries,
    ...runner.entries,
    ...gpg.entries,
    manifest(below, 'posternd', version),
    ...(await koffi(below)),
    ...licences(monitor.metafile, join(below, 'licenses')),
  ];
}
