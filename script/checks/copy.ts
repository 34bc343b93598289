/** Copies of this repository, for checks that plant or build something in it. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** The root of this checkout. */
export const ROOT: string = resolve(import.meta.dirname, '../..');

/** Settings that a copy needs for its tools. */
const SETTINGS = ['package.json', 'tsconfig.json', 'tsconfig.build.json', '.dependency-cruiser.cjs', '.npmrc'];

/**
 * The packages with their settings in a new directory. What comes from npm is this checkout's own, by links; the packages of the
 * workspace find each other's copy.
 */
export class Copy implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'postern-copy-'));

  constructor() {
    const modules = join(this.directory, 'node_modules');
    mkdirSync(join(modules, '@postern'), { recursive: true });
    for (const name of SETTINGS) cpSync(join(ROOT, name), join(this.directory, name));
    for (const name of readdirSync(join(ROOT, 'packages'))) {
      cpSync(join(ROOT, 'packages', name), join(this.directory, 'packages', name), {
        recursive: true,
        filter: (path) => !/\/(node_modules|dist)$/.test(path),
      });
    }
    for (const name of readdirSync(join(ROOT, 'node_modules'))) {
      if (!['@postern', 'postern', 'posternd'].includes(name))
        symlinkSync(join(ROOT, 'node_modules', name), join(modules, name));
    }
    for (const name of ['protocol', 'terminal', 'testkit']) {
      symlinkSync(join(this.directory, 'packages', name), join(modules, '@postern', name));
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}
